// What other processes do to the input while its weights are read.
#include <filesystem>
#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "onnxquant/quantize.h"
#include "tests/convert/external_model.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChangedInputsTest : public ::testing::Test {
 protected:
  ChangedInputsTest() { WriteExternalModel(folder_, "data"); }

  // The conversion's error, when the change is made after the first part of the weights was read
  // and before the last; "" for none. Nothing new may lie in the folder then.
  std::string Convert(const std::function<void()>& change) {
    bool made = false;
    ApplyOptions apply;
    apply.threads = 1;
    apply.memory = 1 << 16;
    apply.progress = [&](std::uint64_t done, std::uint64_t total) {
      if (done == total || made) return;
      made = true;
      change();
    };
    const auto report =
        Quantize(folder_ / "model.onnx", {.policy = "p", .policy_yaml = kHalfPolicy}, apply);
    EXPECT_TRUE(made);
    if (report.ok()) return "";
    EXPECT_EQ(KindOf(report.status()), ErrorKind::kModel);
    EXPECT_FALSE(fs::exists(folder_ / "model_fp16.onnx"));
    EXPECT_FALSE(fs::exists(folder_ / "model_fp16.onnx_data"));
    return std::string(report.status().message());
  }

  TempFolder folder_;
  std::string data_ = folder_ / "data";
};

TEST_F(ChangedInputsTest, AShortenedFileEndsTheConversionAndNotTheProcess) {
  EXPECT_THAT(Convert([this] { fs::resize_file(data_, 4096); }),
              HasSubstr(data_ + ": was changed after it was read"));
  EXPECT_THAT(folder_.Names(), ElementsAre("data", "model.onnx"));
}

TEST_F(ChangedInputsTest, AFileThatIsShortenedAndRemovedDoesToo) {
  const auto change = [this] {
    fs::resize_file(data_, 4096);
    fs::remove(data_);
  };
  EXPECT_THAT(Convert(change), HasSubstr("it had 524288 bytes, and has 4096"));
}

TEST_F(ChangedInputsTest, AnOverwrittenFileGivesNoMixedOutput) {
  EXPECT_THAT(Convert([this] { folder_.Write("data", std::string(524288, 'x')); }),
              HasSubstr(data_ + ": was changed after it was read"));
}

TEST_F(ChangedInputsTest, AnOverwrittenStructureGivesNoOutputEither) {
  const std::string model = folder_.Read("model.onnx");
  EXPECT_THAT(Convert([&] { folder_.Write("model.onnx", model); }),
              HasSubstr("model.onnx: was changed after it was read"));
}

TEST_F(ChangedInputsTest, AWeightThatIsOnlyCopiedIsNoFailedWrite) {
  // To the system call that copies it, a page that is gone is a bad address of ours.
  const std::string keep =
      "policy: 1\nname: p\noutputs:\n"
      "  fp32: {compute: float32, weights: float32, io: float32}\n";
  bool made = false;
  ApplyOptions apply;
  apply.threads = 1;
  apply.memory = 1 << 16;
  apply.progress = [&](std::uint64_t, std::uint64_t) {
    if (!made) fs::resize_file(data_, 4096);
    made = true;
  };
  const auto report = Quantize(
      folder_ / "model.onnx",
      {.policy = "p", .policy_yaml = keep, .output = folder_ / "out", .update_config = false},
      apply);
  ASSERT_TRUE(made);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(report.status().message()),
              HasSubstr(data_ + ": was changed after it was read"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(ChangedInputsTest, AFileThatIsReplacedIsReadAsItWas) {
  fs::create_directory(folder_ / "kept");
  fs::copy_file(folder_ / "model.onnx", folder_ / "kept/model.onnx");
  fs::copy_file(data_, folder_ / "kept/data");
  const auto expected =
      Quantize(folder_ / "kept/model.onnx", {.policy = "p", .policy_yaml = kHalfPolicy}, {});
  ASSERT_TRUE(expected.ok()) << expected.status();
  const auto change = [this] {
    folder_.Write("new", std::string(524288, 'x'));
    fs::rename(folder_ / "new", data_);
  };
  EXPECT_EQ(Convert(change), "");
  EXPECT_EQ(folder_.Read("model_fp16.onnx_data"), folder_.Read("kept/model_fp16.onnx_data"));
}

}  // namespace
}  // namespace onnxquant
