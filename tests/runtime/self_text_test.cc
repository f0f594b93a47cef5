#include "lib/runtime/self_text.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(ArgMaxTest, TakesTheFirstOfEqualsAndNeverNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(ArgMax({1, 3, 3}), 1U);
  EXPECT_EQ(ArgMax({nan, -5, nan, -4}), 3U);
}

TEST(SampleIndexTest, DrawsByTheProbabilitiesOfTheSoftmax) {
  // 1/2, 1/4, 1/4.
  const std::vector<float> logits = {std::log(2.0F), 0, 0};
  EXPECT_EQ(SampleIndex(logits, 0), 0U);
  EXPECT_EQ(SampleIndex(logits, 0.49), 0U);
  EXPECT_EQ(SampleIndex(logits, 0.51), 1U);
  EXPECT_EQ(SampleIndex(logits, 0.74), 1U);
  EXPECT_EQ(SampleIndex(logits, 0.76), 2U);
  EXPECT_EQ(SampleIndex(logits, 0.9999999), 2U);
}

}  // namespace
}  // namespace onnxquant
