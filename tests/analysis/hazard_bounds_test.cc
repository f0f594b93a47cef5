#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/analysis/hazard_context.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

class BoundsTest : public HazardsTest {
 protected:
  // The bound of a model's y.
  std::optional<double> Magnitude(const std::string& nodes) {
    FindIn(ParseModel(std::string(kHazardsHead) + R"((float[n] x, bool[n] b) => (float[n] y)
<float two = {-2}, float four = {4}> )" +
                      nodes));
    const ValueTypes types = *InferTypes(*graph_, "m.onnx");
    const HazardContext context(*graph_, types);
    return context.Magnitude(graph_->Find(kMainScope, "y"));
  }
};

TEST_F(BoundsTest, FunctionsConstantsAndTruthValuesBoundWhatIsMadeOfThem) {
  EXPECT_EQ(Magnitude("{ y = Tanh(x) }"), 1.0);
  EXPECT_EQ(Magnitude("{ t = Sigmoid(x) u = Mul(t, two) v = Neg(u) y = Add(v, four) }"), 6.0);
  EXPECT_EQ(Magnitude("{ c = Cast<to = 1>(b) y = Mul(c, four) }"), 4.0);
  EXPECT_EQ(Magnitude("{ y = Clip(x, two, four) }"), 4.0);
  EXPECT_EQ(Magnitude("{ t = Tanh(x) y = Div(t, four) }"), 0.25);
  EXPECT_EQ(Magnitude("{ t = Tanh(x) y = Max(t, four) }"), 4.0);
}

TEST_F(BoundsTest, WhatMayBeAnythingIsUnbounded) {
  EXPECT_EQ(Magnitude("{ y = Exp(x) }"), std::nullopt);
  EXPECT_EQ(Magnitude("{ t = Tanh(x) y = Add(t, x) }"), std::nullopt);
  EXPECT_EQ(Magnitude("{ t = Tanh(x) y = Div(t, x) }"), std::nullopt);
  EXPECT_EQ(Magnitude("{ y = Clip(x, two) }"), std::nullopt);
}

}  // namespace
}  // namespace onnxquant
