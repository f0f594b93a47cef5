#include "lib/calibrate/sum_inputs.h"

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Gives its input "x" as every output.
class Mirror : public Runner {
 public:
  const Signature& signature() const override { return signature_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    return std::vector<Tensor>(outputs.size(), inputs[0].tensor);
  }

 private:
  Signature signature_ = {{{"x", ElementType::kFloat, {{-1, "n"}, {-1, "l"}, {2, ""}}},
                           {"attention_mask", ElementType::kInt64, {{-1, "n"}, {-1, "l"}}}},
                          {}};
};

Sample Given(std::vector<float> values, const std::vector<std::int64_t>& mask) {
  const auto length = static_cast<std::int64_t>(mask.size());
  auto set = std::make_shared<InputSet>();
  set->origin = "a.npz";
  set->arrays = {{"x", Tensor::OfFloats(ElementType::kFloat, {1, length, 2}, std::move(values))},
                 {"attention_mask", Tensor::OfIntegers(ElementType::kInt64, {1, length}, mask)}};
  return {{}, std::move(set), Padding::kNone};
}

TEST(SumInputsTest, AddsTheRowsOfEachSampleWithoutPadding) {
  Mirror runner;
  MomentSums sums({{"x", 2, ""}}, 1);
  const std::vector<std::string> outputs = {"x"};
  std::vector<std::size_t> ran;
  InputRun run{"m.onnx", {}, outputs, nullptr, [&](std::size_t done) { ran.push_back(done); }};
  const std::vector<Sample> samples = {Given({1, 0, 100, 100}, {1, 0}), Given({2, 3}, {1})};
  ASSERT_TRUE(SumInputs(run, samples, runner, sums).ok());
  EXPECT_THAT(ran, ElementsAre(1U, 2U));
  const auto moments = std::move(sums).Finish();
  ASSERT_TRUE(moments.ok());
  EXPECT_EQ(moments->front().count, 2U);
  EXPECT_THAT(moments->front().sums, ElementsAre(5, 6, 6, 9));
}

TEST(SumInputsTest, RefusesArraysThatDoNotFitAndStopsWhenAsked) {
  Mirror runner;
  MomentSums sums({{"x", 2, ""}}, 1);
  const std::vector<std::string> outputs = {"x"};
  InputRun run{"m.onnx", {}, outputs, nullptr, nullptr};
  auto set = std::make_shared<InputSet>();
  set->origin = "a.npz";
  const absl::Status status = SumInputs(run, {{{}, set, Padding::kNone}}, runner, sums);
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds no array 'x'"));
  run.cancelled = [] { return true; };
  EXPECT_EQ(KindOf(SumInputs(run, {Given({1, 2}, {1})}, runner, sums)), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace onnxquant
