#include "lib/model/external_data.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ExternalDataTest : public ::testing::Test {
 protected:
  ExternalDataTest() {
    fs::create_directory(folder_ / "inside");
    fs::create_directory(folder_ / "outside");
    folder_.Write("inside/model.onnx", "model");
    folder_.Write("inside/data", "data");
    folder_.Write("outside/secret", "secret");
  }

  std::string ErrorOf(const ModelPlace& model, const std::string& location) {
    const auto file = OpenExternalFile(model, location);
    if (file.ok()) return "opened";
    EXPECT_EQ(KindOf(file.status()), ErrorKind::kModel);
    return std::string(file.status().message());
  }

  TempFolder folder_;
  std::string model_ = folder_ / "inside/model.onnx";
};

TEST_F(ExternalDataTest, OpensDataBesideTheModel) {
  const auto file = OpenExternalFile({model_, ""}, "./data");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->path(), folder_ / "inside/data");
  EXPECT_EQ(file->real_path(), fs::canonical(folder_ / "inside/data").string());
}

TEST_F(ExternalDataTest, FollowsNoLinkOutEvenWhereTheModelItselfIsNotThere) {
  fs::create_symlink("../outside/secret", folder_ / "inside/link");
  EXPECT_THAT(ErrorOf({model_, ""}, "link"), HasSubstr("outside the model's folder"));
  EXPECT_THAT(ErrorOf({folder_ / "inside/absent.onnx", ""}, "link"),
              HasSubstr("outside the model's folder"));
}

TEST_F(ExternalDataTest, GoesByTheModelThatWasOpenedAndNotByWhatItsNameMeansNow) {
  fs::create_symlink("../outside/secret", folder_ / "inside/link");
  fs::create_symlink("../outside/secret", folder_ / "inside/swapped.onnx");
  const std::string swapped = folder_ / "inside/swapped.onnx";
  EXPECT_EQ(ErrorOf({swapped, ""}, "link"), "opened");
  EXPECT_THAT(ErrorOf({swapped, fs::canonical(model_).string()}, "link"),
              HasSubstr("outside the model's folder"));
}

TEST_F(ExternalDataTest, AcceptsAHardLinkAsTheFileItself) {
  fs::create_hard_link(folder_ / "outside/secret", folder_ / "inside/hard");
  EXPECT_EQ(ErrorOf({model_, ""}, "hard"), "opened");
}

TEST_F(ExternalDataTest, ResolvesLinkedLocationsFromTheFolderThatHoldsThemAll) {
  fs::rename(model_, folder_ / "outside/blob1");
  fs::rename(folder_ / "inside/data", folder_ / "outside/blob2");
  fs::create_symlink("../outside/blob1", model_);
  fs::create_symlink("../outside/blob2", folder_ / "inside/data");
  onnx::ModelProto model;
  auto* location = model.mutable_graph()->add_initializer()->add_external_data();
  location->set_key("location");
  location->set_value("data");
  EXPECT_EQ(ResolveLocations(model_, model), fs::canonical(folder_ / "outside").string());
  EXPECT_EQ(model.graph().initializer(0).external_data(0).value(), "blob2");
}

TEST_F(ExternalDataTest, LeavesLocationsThatCannotBeFound) {
  onnx::ModelProto model;
  auto* location = model.mutable_graph()->add_initializer()->add_external_data();
  location->set_key("location");
  location->set_value("absent");
  ResolveLocations(model_, model);
  EXPECT_EQ(model.graph().initializer(0).external_data(0).value(), "absent");
}

}  // namespace
}  // namespace onnxquant
