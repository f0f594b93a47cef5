#include "lib/trace/first_bad.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/runtime/ort_runner.h"
#include "lib/trace/group_size.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

TracedValue Made(const std::string& op, const std::vector<std::size_t>& inputs) {
  TracedValue value;
  value.op = op;
  value.inputs = inputs;
  return value;
}

BadCounts Counts(std::uint64_t nan, std::uint64_t inf, std::uint64_t negative, double peak = 1) {
  return {nan, inf, negative, peak};
}

TEST(BadCountsTest, TellsTheKindsApart) {
  const float inf = std::numeric_limits<float>::infinity();
  BadCounts counts;
  counts.Add({1, -3, inf, -inf, -inf, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(counts.nan, 1U);
  EXPECT_EQ(counts.inf, 1U);
  EXPECT_EQ(counts.negative_inf, 2U);
  EXPECT_EQ(counts.peak, 3);
}

TEST(FindFirstBadTest, FindsNothingAmongFiniteValues) {
  EXPECT_FALSE(FindFirstBad({Made("Add", {})}, {Counts(0, 0, 0)}).has_value());
}

TEST(FindFirstBadTest, FindsTheOverflowBeforeTheNanThatComesOfIt) {
  EXPECT_EQ(FindFirstBad({Made("Add", {}), Made("Add", {0}), Made("Norm", {1})},
                         {Counts(0, 0, 0), Counts(0, 1, 0), Counts(9, 0, 0)}),
            1U);
}

TEST(FindFirstBadTest, TakesNoMaskForAFault) {
  // A mask is chosen, narrowed and added to scores; the softmax is finite, and then a sum is not.
  EXPECT_EQ(FindFirstBad({Made("Where", {}), Made("MatMul", {}), Made("Add", {1, 0}),
                          Made("Softmax", {2}), Made("Add", {3})},
                         {Counts(0, 0, 5), Counts(0, 0, 0), Counts(0, 0, 5), Counts(0, 0, 0),
                          Counts(0, 2, 0)}),
            4U);
  EXPECT_FALSE(
      FindFirstBad({Made("Sub", {}), Made("Cast", {0})}, {Counts(0, 0, 0, 3.4e38), Counts(0, 0, 5)})
          .has_value());
}

TEST(FindFirstBadTest, TakesANegativeOverflowForAFault) {
  EXPECT_EQ(FindFirstBad({Made("Add", {})}, {Counts(0, 0, 1)}), 0U);
  EXPECT_EQ(
      FindFirstBad({Made("Add", {}), Made("Cast", {0})}, {Counts(0, 0, 0, 1e5), Counts(0, 0, 1)}),
      1U);
}

TEST(FindFirstBadTest, TakesAMaskThatMakesNanForAFault) {
  EXPECT_EQ(
      FindFirstBad({Made("Where", {}), Made("Softmax", {0})}, {Counts(0, 0, 5), Counts(5, 0, 0)}),
      1U);
}

FirstBadOptions Options(const std::string& model) {
  FirstBadOptions options;
  options.model = model;
  options.factory = LoadWithOnnxRuntime;
  return options;
}

TEST(TraceFirstBadTest, NamesTheValueTheNodeAndWhatItReads) {
  const TempFolder folder;
  folder.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[4] x) => (float[4] y)
      {
        zero = Sub(x, x)
        big = Exp(zero)
        [divide] bad = Div(big, zero)
        y = Mul(bad, zero)
      })")
                                 .SerializeAsString());
  const auto found = TraceFirstBad(Options(folder / "model.onnx"));
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->value.name, "bad");
  EXPECT_EQ((*found)->bad_values, 2U);
  EXPECT_THAT(DescribeFirstBad(**found),
              ::testing::AllOf(HasSubstr("'bad' (node 'divide' (Div), outside layers): 4 Inf"),
                               HasSubstr("reaches 1, and 2 of 4 values have NaN or Inf")));
}

TEST(DescribeFirstBadTest, SaysNothingOfWhatIsReadWhereNothingFiniteIs) {
  FirstBad bad;
  bad.value.name = "v";
  bad.counts.nan = 1;
  bad.bad_values = 1;
  bad.values = 2;
  EXPECT_THAT(DescribeFirstBad(bad), HasSubstr("1 NaN; 1 of 2 values have NaN or Inf"));
}

TEST(TraceFirstBadTest, FindsNothingInASoundModel) {
  const TempFolder folder;
  folder.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[4] x) => (float[4] y) { y = Add(x, x) })")
                                 .SerializeAsString());
  const auto found = TraceFirstBad(Options(folder / "model.onnx"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->has_value());
}

// Without a cache: what overflows does so at the 20th token of the second sequence.
TEST(TraceFirstBadTest, ReadsEverySequenceToItsEnd) {
  const TempFolder folder;
  folder.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (int64[1, n] input_ids) => (float[1, n, 3] logits)
      <float[3, 3] table, float zero = {0.0}, float large = {1e38}>
      {
        e = Gather(table, input_ids)
        f = Cast <to: int = 1> (input_ids)
        big = Mul(f, large)
        huge = Mul(big, large)
        gone = Mul(big, zero)
        axes = Constant <value_ints: ints = [2]> ()
        bias = Unsqueeze(gone, axes)
        raised = Unsqueeze(huge, axes)
        sum = Add(e, bias)
        logits = Add(sum, raised)
      })")
                                 .SerializeAsString());
  FirstBadOptions options = Options(folder / "model.onnx");
  options.samples = SamplesOf({std::vector<std::int64_t>(8, 0), std::vector<std::int64_t>(20, 0)});
  auto found = TraceFirstBad(options);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->has_value());
  options.samples[1].tokens.back() = 1;
  found = TraceFirstBad(options);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->value.name, "huge");
  EXPECT_EQ((*found)->counts.inf, 1U);
}

TEST(GroupSizeTest, FitsTheNextGroupIntoMemoryAndGrowsSlowly) {
  GroupSize group(1000);
  const std::size_t first = group.values();
  group.Learn(first, first);  // a byte each
  EXPECT_EQ(group.values(), 8 * first);
  group.Learn(100 * group.values(), group.values());
  EXPECT_EQ(group.values(), 10U);
  group.Learn(20'000, 10);
  EXPECT_EQ(group.values(), 1U);
}

}  // namespace
}  // namespace onnxquant
