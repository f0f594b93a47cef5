#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "onnxquant/sessions.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPlain[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 8] x) => (float[2, 8] y) <float[8, 8] w> { y = MatMul(x, w) })";
constexpr char kDecoder[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[n] ids) => (float[n, 64] logits)
<float[64, 64] table, float[64] gain, float[64, 64] w, float[64, 64] head> {
  h0 = Gather(table, ids)
  n0 = LayerNormalization<axis = -1>(h0, gain)
  p = MatMul(n0, w)
  h1 = Add(h0, p)
  n1 = LayerNormalization<axis = -1>(h1, gain)
  logits = MatMul(n1, head)
})";

class FolderOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "onnx");
    Make("encoder", kPlain);
    Make("decoder", kDecoder);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Make(const std::string& name, const char* text) {
    std::ofstream file(folder_ / "onnx" / (name + ".onnx"), std::ios::binary);
    file << ParseModel(text).SerializeAsString();
  }

  std::vector<std::string> Policies(const FolderOptions& options) {
    std::vector<std::string> policies;
    for (const SessionOptions& one : options.sessions) {
      policies.push_back(one.session.name + " " + one.options.policy);
    }
    return policies;
  }

  absl::StatusOr<FolderOptions> Options(const PlanOptions& options,
                                        const std::vector<std::string>& choices = {}) {
    return OptionsForFolder(folder_.string(), options, choices);
  }

  fs::path folder_;
};

TEST_F(FolderOptionsTest, ModelsOfDifferentFamiliesGetOnePolicy) {
  const auto options = Options({.policy = kAutoPolicy});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(Policies(*options), ElementsAre("decoder llm-web", "encoder llm-web"));
  EXPECT_THAT(options->agreed, HasSubstr("encoder.onnx transformersjs; together all get llm-web"));
}

TEST_F(FolderOptionsTest, ModelsOfOneFamilyAreLeftOpen) {
  Make("decoder", kPlain);
  const auto options = Options({.policy = kAutoPolicy});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(Policies(*options), ElementsAre("decoder auto", "encoder auto"));
  EXPECT_EQ(options->agreed, "");
}

TEST_F(FolderOptionsTest, TheLastChoiceThatFitsDecides) {
  const auto options = Options({.policy = "fp16"}, {"*=q4", "dec*=q4f16:q4f16", "encoder=skip"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(Policies(*options), ElementsAre("decoder q4f16"));
  EXPECT_THAT(options->sessions[0].options.dtypes, ElementsAre("q4f16"));
}

TEST_F(FolderOptionsTest, OutputsAreLaidOutAsTheSource) {
  const auto options = Options({.policy = "fp16", .output = "web"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->sessions[0].options.output, "web/onnx");
  EXPECT_EQ(Options({.policy = "fp16"})->sessions[0].options.output, "");
}

TEST_F(FolderOptionsTest, ChoicesAndPlacesThatFitNoFolderAreRefused) {
  const auto said = [this](const PlanOptions& options, const std::vector<std::string>& choices) {
    const auto status = Options(options, choices).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kUsage) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(said({}, {"audio*=fp16"}), HasSubstr("fits none of the models in "));
  EXPECT_THAT(said({}, {"fp16"}), HasSubstr("expected NAME=POLICY"));
  EXPECT_THAT(said({}, {"*=skip"}), HasSubstr("leaves none of decoder, encoder"));
  EXPECT_THAT(said({.output = "one.onnx"}, {}), HasSubstr("names one file"));
}

TEST_F(FolderOptionsTest, AllFilesAreModelsWhateverTheirDtypes) {
  Make("decoder_q4", kPlain);
  const auto models = FindModels(folder_.string());
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_THAT(*models, ElementsAre(HasSubstr("decoder.onnx"), HasSubstr("decoder_q4.onnx"),
                                   HasSubstr("encoder.onnx")));
  fs::remove_all(folder_ / "onnx");
  EXPECT_EQ(KindOf(FindModels(folder_.string()).status()), ErrorKind::kModel);
  EXPECT_EQ(KindOf(FindModels("nowhere").status()), ErrorKind::kUsage);
}

}  // namespace
}  // namespace onnxquant
