#include "lib/trace/value_errors.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/ort_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

ValueError ErrorOf(std::vector<float> reference, std::vector<float> candidate) {
  ValueErrorSums sums;
  sums.Add(reference, candidate);
  ValueError error;
  sums.Finish(error);
  return error;
}

TEST(ValueErrorSumsTest, GivesTheRatioOfSignalToNoiseInDecibels) {
  const ValueError error = ErrorOf({3, 4}, {3, 4.5});
  EXPECT_NEAR(error.sqnr, 20, 1e-9);  // 25 over 0.25
  EXPECT_NEAR(error.cosine, 27 / (5 * std::sqrt(29.25)), 1e-12);
  EXPECT_EQ(error.elements, 2U);
  EXPECT_EQ(error.scale, 1);
}

TEST(ValueErrorSumsTest, GivesTheHighestRatioToEqualValues) {
  EXPECT_EQ(ErrorOf({1, -2}, {1, -2}).sqnr, kHighestSqnr);
  EXPECT_EQ(ErrorOf({0, 0}, {0, 0}).sqnr, kHighestSqnr);
  EXPECT_EQ(ErrorOf({0, 0}, {1, 0}).sqnr, -kHighestSqnr);
}

TEST(ValueErrorSumsTest, FindsThePowerOfTwoByWhichTheCandidateIsScaled) {
  const ValueError exact = ErrorOf({8, -4, 2}, {1, -0.5, 0.25});
  EXPECT_EQ(exact.scale, 8);
  EXPECT_EQ(exact.sqnr, kHighestSqnr);
  const ValueError close = ErrorOf({3, 4}, {0.75, 1.125});
  EXPECT_EQ(close.scale, 4);
  EXPECT_NEAR(close.sqnr, 20, 1e-9);
  // The opposite sign is an error, not a scale.
  EXPECT_LT(ErrorOf({3, 4}, {-3, -4}).sqnr, -6);
}

TEST(ValueErrorSumsTest, LeavesMaskFillsOutAndCountsWhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  const ValueError masks = ErrorOf({1, -3.4e38F, -inf}, {1, -65504, -inf});
  EXPECT_EQ(masks.sqnr, kHighestSqnr);
  EXPECT_EQ(masks.bad, 0U);
  const ValueError bad = ErrorOf({3, 4, 5}, {3, 4.5, inf});
  EXPECT_EQ(bad.bad, 1U);
  EXPECT_NEAR(bad.sqnr, 20, 1e-9);
  EXPECT_TRUE(std::isnan(ErrorOf({1}, {inf}).sqnr));
}

// 'e' is the same in both, 'big' is off by a tenth, 'only' and 'other' are not in both, and
// 'turned' has another shape.
constexpr char kReference[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (int64[1, n] input_ids) => (float[1, n, 3] logits)
    <float[3, 3] table, float scale = {2.0}>
    {
      e = Gather(table, input_ids)
      big = Mul(e, scale)
      turned = Transpose <perm = [0, 1, 2]> (big)
      only = Neg(turned)
      logits = Neg(only)
    })";
constexpr char kCandidate[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (int64[1, n] input_ids) => (float[1, n, 3] logits)
    <float[3, 3] table, float scale = {2.2}>
    {
      e = Gather(table, input_ids)
      big = Mul(e, scale)
      turned = Transpose <perm = [0, 2, 1]> (big)
      other = Transpose <perm = [0, 2, 1]> (turned)
      logits = Identity(other)
    })";

class CompareValuesTest : public ::testing::Test {
 protected:
  CompareValuesTest() {
    folder_.Write("reference.onnx", ParseModel(kReference).SerializeAsString());
    folder_.Write("candidate.onnx", ParseModel(kCandidate).SerializeAsString());
    options_.reference = folder_ / "reference.onnx";
    options_.candidate = folder_ / "candidate.onnx";
    options_.reference_runner.factory = LoadWithOnnxRuntime;
    options_.candidate_runner.factory = LoadWithOnnxRuntime;
    options_.samples = SamplesOf({{0, 1, 2, 2}, {1, 0}});
  }
  TempFolder folder_;
  ValueErrorOptions options_;
};

TEST_F(CompareValuesTest, ComparesTheValuesThatBothModelsHave) {
  const auto errors = CompareValues(options_);
  ASSERT_TRUE(errors.ok()) << errors.status();
  ASSERT_EQ(errors->size(), 3U);
  EXPECT_EQ((*errors)[0].name, "e");
  EXPECT_EQ((*errors)[0].sqnr, kHighestSqnr);
  EXPECT_EQ((*errors)[0].elements, 18U);
  EXPECT_EQ((*errors)[1].name, "big");
  EXPECT_NEAR((*errors)[1].sqnr, 20, 1e-3);
  EXPECT_EQ((*errors)[1].op, "Mul");
  EXPECT_EQ((*errors)[2].name, "logits");
}

TEST_F(CompareValuesTest, GivesTheSameInManyGroups) {
  const auto together = CompareValues(options_);
  options_.memory = 1;
  const auto apart = CompareValues(options_);
  ASSERT_TRUE(together.ok() && apart.ok());
  ASSERT_EQ(apart->size(), together->size());
  for (std::size_t i = 0; i < apart->size(); ++i) {
    EXPECT_EQ((*apart)[i].sqnr, (*together)[i].sqnr);
  }
}

TEST_F(CompareValuesTest, StopsWhenItIsCancelled) {
  options_.cancelled = [] { return true; };
  EXPECT_EQ(KindOf(CompareValues(options_).status()), ErrorKind::kCancelled);
}

TEST(ByLayerTest, NamesTheLastAndTheWorstValueOfEachLayer) {
  const auto value = [](int layer, double sqnr, std::uint64_t bad) {
    ValueError error;
    error.layer = layer;
    error.sqnr = sqnr;
    error.bad = bad;
    return error;
  };
  const std::vector<ValueError> errors = {value(-1, 90, 0), value(0, 50, 0), value(0, 40, 0),
                                          value(0, 60, 0),  value(1, 30, 0), value(1, 70, 1),
                                          value(1, 20, 1),  value(-1, 10, 0)};
  const std::vector<LayerError> layers = ByLayer(errors);
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].last, 3U);
  EXPECT_EQ(layers[0].worst, 2U);
  EXPECT_EQ(layers[1].last, 6U);
  EXPECT_EQ(layers[1].worst, 5U);
  EXPECT_EQ(layers[2].layer, -1);
  EXPECT_EQ(layers[2].worst, 7U);
}

}  // namespace
}  // namespace onnxquant
