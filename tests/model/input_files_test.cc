#include "lib/model/input_files.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST(FilesReadFor, AreTheModelItsDataItsConfigurationsAndTheOthers) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "onnx");
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[4] x) => (float[4] z) <float[4] w = {1, 2, 3, 4}> { z = Add(x, w) })");
  onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
  w.clear_float_data();
  w.set_data_location(onnx::TensorProto::EXTERNAL);
  auto* entry = w.add_external_data();
  entry->set_key("location");
  entry->set_value("weights.bin");
  folder.Write("onnx/model.onnx", model.SerializeAsString());
  folder.Write("onnx/weights.bin", std::string(16, '\0'));
  folder.Write("config.json", "{}");
  folder.Write("onnx/generation_config.json", "{}");
  EXPECT_THAT(
      FilesReadFor({folder / "onnx/model.onnx"}, {"", "tokens.npy"}),
      UnorderedElementsAre("tokens.npy", folder / "onnx/model.onnx", folder / "config.json",
                           folder / "onnx/generation_config.json", folder / "onnx/weights.bin"));
}

TEST(FilesReadFor, OfWhatIsNoModelAreThatFileAlone) {
  const TempFolder folder;
  folder.Write("model.onnx", "none");
  EXPECT_THAT(FilesReadFor({folder / "model.onnx"}, {}), ElementsAre(folder / "model.onnx"));
}

}  // namespace
}  // namespace onnxquant
