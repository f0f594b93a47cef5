#include "lib/convert/output_place.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

TEST(OutputPlace, IsBesideTheModelWhereNothingIsSaid) {
  const OutputPlace place = PlaceOf("a/model_q4.onnx", "", "model");
  EXPECT_EQ(place.directory, "a");
  EXPECT_EQ(place.file, "");
  EXPECT_EQ(place.base, "model");
}

TEST(OutputPlace, IsAFileByItsEnding) {
  const OutputPlace place = PlaceOf("a/model.onnx", "b/web_q4.onnx", "model");
  EXPECT_EQ(place.directory, "b");
  EXPECT_EQ(place.file, "web_q4.onnx");
  EXPECT_EQ(place.base, "web");
  EXPECT_EQ(PlaceOf("a/model.onnx", "web.onnx", "model").directory, ".");
}

TEST(OutputPlace, IsAFolderWhereThatExistsOrTheEndingIsAnother) {
  const TempFolder folder;
  const std::string path = folder / "old.onnx";
  std::filesystem::create_directory(path);
  for (const std::string& asked : {path, std::string("new"), std::string("new.onnx/")}) {
    const OutputPlace place = PlaceOf("model.onnx", asked, "model");
    EXPECT_EQ(place.directory, asked);
    EXPECT_EQ(place.file, "");
  }
}

TEST(OutputPlace, OneFileHoldsOneOutput) {
  const OutputPlace file = PlaceOf("model.onnx", "web.onnx", "model");
  std::vector<OutputPlan> plans(2);
  plans[0].dtype = "fp16";
  plans[1].dtype = "q4";
  const absl::Status refused = RefuseOneFileForMany(file, plans);
  EXPECT_EQ(KindOf(refused), ErrorKind::kUsage);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("2 outputs (fp16, q4)"));
  EXPECT_TRUE(RefuseOneFileForMany(PlaceOf("model.onnx", "web", "model"), plans).ok());
  plans.pop_back();
  EXPECT_TRUE(RefuseOneFileForMany(file, plans).ok());
}

}  // namespace
}  // namespace onnxquant
