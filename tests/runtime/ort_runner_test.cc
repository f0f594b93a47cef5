// Needs the library that scripts/setup.sh installs.
#include "lib/runtime/ort_runner.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/inputs.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[n, 3] x, float16[1] h) => (float[n, 3] y, float16[1] k, int64[2] s)
    { y = Add(x, x)  k = Neg(h)  s = Shape(x) })";

RunnerOptions On(const std::string& provider) {
  RunnerOptions options;
  options.provider = provider;
  return options;
}

class OrtRunnerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Runner> Load(const onnx::ModelProto& model, const RunnerOptions& options = {}) {
    const std::string path = folder_ / "model.onnx";
    std::ofstream(path, std::ios::binary) << model.SerializeAsString();
    auto runner = LoadWithOnnxRuntime({path, nullptr}, options);
    EXPECT_TRUE(runner.ok()) << runner.status();
    return runner.ok() ? *std::move(runner) : nullptr;
  }
  TempFolder folder_;
};

TEST_F(OrtRunnerTest, ReadsTheSignature) {
  const auto runner = Load(ParseModel(kModel));
  ASSERT_NE(runner, nullptr);
  const Signature& signature = runner->signature();
  ASSERT_EQ(signature.inputs.size(), 2U);
  EXPECT_EQ(signature.inputs[0].name, "x");
  EXPECT_EQ(SignatureText(signature.inputs[0]), "float32[n, 3]");
  EXPECT_EQ(SignatureText(signature.inputs[1]), "float16[1]");
  EXPECT_EQ(SignatureText(*signature.Output("s")), "int64[2]");
  EXPECT_EQ(signature.Output("z"), nullptr);
  EXPECT_EQ(NamesText(signature.outputs), "y, k, s");
}

TEST_F(OrtRunnerTest, RunsAndGivesOutputsInTheOrderAskedFor) {
  const auto runner = Load(ParseModel(kModel));
  ASSERT_NE(runner, nullptr);
  const auto results =
      runner->Run({{"x", Tensor::OfFloats(ElementType::kFloat, {2, 3}, {1, 2, 3, 4, 5, 6})},
                   {"h", Tensor::OfFloats(ElementType::kFloat16, {1}, {0.5F})}},
                  {"s", "k", "y"});
  ASSERT_TRUE(results.ok()) << results.status();
  std::vector<float> scratch;
  EXPECT_THAT((*results)[1].Floats(0, 1, scratch), ElementsAre(-0.5F));
  EXPECT_THAT((*results)[2].Floats(0, 6, scratch), ElementsAre(2, 4, 6, 8, 10, 12));
  EXPECT_THAT((*results)[2].dims(), ElementsAre(2, 3));
  EXPECT_EQ((*results)[0].type(), ElementType::kInt64);
}

TEST_F(OrtRunnerTest, TakesTensorsWithoutElements) {
  const auto runner = Load(ParseModel(kModel));
  ASSERT_NE(runner, nullptr);
  const auto results = runner->Run({{"x", Tensor::Empty(ElementType::kFloat, {0, 3})},
                                    {"h", Tensor::OfFloats(ElementType::kFloat16, {1}, {1})}},
                                   {"y"});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT((*results)[0].dims(), ElementsAre(0, 3));
}

TEST_F(OrtRunnerTest, KeepsResultsWhenTheRunnerIsGone) {
  absl::StatusOr<std::vector<Tensor>> results;
  {
    const auto runner = Load(ParseModel(kModel));
    results = runner->Run({{"x", Tensor::OfFloats(ElementType::kFloat, {1, 3}, {1, 2, 3})},
                           {"h", Tensor::OfFloats(ElementType::kFloat16, {1}, {1})}},
                          {"y"});
  }
  std::vector<float> scratch;
  EXPECT_THAT((*results)[0].Floats(0, 3, scratch), ElementsAre(2, 4, 6));
}

TEST_F(OrtRunnerTest, ReadsExternalDataInPlaceForAModelInMemory) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[2] x) => (float[2] y) <float[2] w> { y = Add(x, w) })");
  onnx::TensorProto& weight = *model.mutable_graph()->mutable_initializer(0);
  weight.clear_float_data();
  weight.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& location = *weight.add_external_data();
  location.set_key("location");
  location.set_value("w.bin");
  const float values[] = {10, 20};
  folder_.Write("w.bin", std::string(reinterpret_cast<const char*>(values), sizeof(values)));
  const auto bytes = std::make_shared<const std::string>(model.SerializeAsString());
  const auto runner = LoadWithOnnxRuntime({folder_ / "absent.onnx", bytes}, {});
  ASSERT_TRUE(runner.ok()) << runner.status();
  const auto results =
      (*runner)->Run({{"x", Tensor::OfFloats(ElementType::kFloat, {2}, {1, 2})}}, {"y"});
  std::vector<float> scratch;
  EXPECT_THAT((*results)[0].Floats(0, 2, scratch), ElementsAre(11, 22));
}

TEST_F(OrtRunnerTest, PassesOnWhatTheRuntimeSays) {
  const auto runner = Load(ParseModel(kModel));
  const auto results = runner->Run({{"x", Tensor::OfFloats(ElementType::kFloat, {1, 2}, {1, 2})},
                                    {"h", Tensor::OfFloats(ElementType::kFloat16, {1}, {1})}},
                                   {"y"});
  EXPECT_EQ(KindOf(results.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(results.status().message()),
              ::testing::AllOf(HasSubstr("model.onnx: running it failed"),
                               HasSubstr("Got invalid dimensions for input: x")));
  const auto unknown = runner->Run({}, {"nothing"});
  EXPECT_EQ(KindOf(unknown.status()), ErrorKind::kVerify);
}

TEST_F(OrtRunnerTest, NamesAModelThatDoesNotLoad) {
  folder_.Write("bad.onnx", "no model");
  const auto bad = LoadWithOnnxRuntime({folder_ / "bad.onnx", nullptr}, {});
  EXPECT_EQ(KindOf(bad.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("does not load it on 'cpu'"));
  const auto missing = LoadWithOnnxRuntime({folder_ / "none.onnx", nullptr}, {});
  EXPECT_EQ(KindOf(missing.status()), ErrorKind::kModel);
}

TEST_F(OrtRunnerTest, ListsTheProvidersWhenOneIsMissing) {
  folder_.Write("model.onnx", ParseModel(kModel).SerializeAsString());
  const auto runner = LoadWithOnnxRuntime({folder_ / "model.onnx", nullptr}, On("tensorrt"));
  EXPECT_EQ(KindOf(runner.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(runner.status().message()),
              ::testing::AllOf(HasSubstr("provider 'tensorrt'"), HasSubstr("cpu only")));
}

TEST_F(OrtRunnerTest, AcceptsAProvidersFullName) {
  EXPECT_NE(Load(ParseModel(kModel), On("CPUExecutionProvider")), nullptr);
}

}  // namespace
}  // namespace onnxquant
