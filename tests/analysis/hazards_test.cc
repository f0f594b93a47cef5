#include "lib/analysis/hazards.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, ALayerNormIsDecomposedFromItsMeanToItsDivision) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) <float two = {2}, float eps = {0.001}, float[8] gain> {
  mean = ReduceMean<axes = [-1]>(x)
  centred = Sub(x, mean)
  square = Pow(centred, two)
  variance = ReduceMean<axes = [-1]>(square)
  safe = Add(variance, eps)
  root = Sqrt(safe)
  normed = Div(centred, root)
  y = Mul(normed, gain)
})");
  EXPECT_THAT(With("decomposed_norm"), UnorderedElementsAre("mean", "centred", "square", "variance",
                                                            "safe", "root", "normed"));
  EXPECT_THAT(Why("decomposed_norm"), HasSubstr("from 'square' to 'normed'"));
  EXPECT_EQ(hazards_.size(), 7U);
}

TEST_F(HazardsTest, AnRmsNormBySelfProductAndReciprocalIsOne) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) <float eps = {0.001}> {
  square = Mul(x, x)
  mean = ReduceMean<axes = [-1]>(square)
  safe = Add(mean, eps)
  root = Sqrt(safe)
  inverse = Reciprocal(root)
  y = Mul(x, inverse)
})");
  EXPECT_THAT(With("decomposed_norm"),
              UnorderedElementsAre("square", "mean", "safe", "root", "inverse", "y"));
}

TEST_F(HazardsTest, AnL2NormIsOneThroughClipAndExpand) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) <float eps = {0.001}, int64[2] shape = {2, 8}> {
  length = ReduceL2<axes = [-1]>(x)
  safe = Clip(length, eps)
  wide = Expand(safe, shape)
  y = Div(x, wide)
})");
  EXPECT_THAT(With("decomposed_norm"), UnorderedElementsAre("length", "safe", "wide", "y"));
}

TEST_F(HazardsTest, AVarianceFromTheMeanOfSquaresIsPartOfANorm) {
  Find(R"((float[2, 8] x) => (float[2, 8] y)
<float eps = {0.001}, float zero = {0}, float share = {0.125}, float[8] gain> {
  axes = Constant<value = int64[1] {-1}>()
  square = Mul(x, x)
  sum = ReduceSum(square, axes)
  mean_square = Mul(sum, share)
  mean = ReduceMean<axes = [-1]>(x)
  square_mean = Mul(mean, mean)
  difference = Sub(mean_square, square_mean)
  variance = Max(zero, difference)
  safe = Add(variance, eps)
  root = Sqrt(safe)
  inverse = Reciprocal(root)
  scale = Mul(inverse, gain)
  centred = Sub(x, mean)
  y = Mul(centred, scale)
})");
  EXPECT_THAT(
      With("decomposed_norm"),
      UnorderedElementsAre("square", "sum", "mean_square", "mean", "square_mean", "difference",
                           "variance", "safe", "root", "inverse", "scale", "centred", "y"));
}

TEST_F(HazardsTest, ADeviationThatDividesNothingIsNoNorm) {
  Find(R"((float[2, 8] x) => (float[2, 1] y, float[2, 1] z) <float eps = {0.001}> {
  square = Mul(x, x)
  mean = ReduceMean<axes = [-1]>(square)
  safe = Add(mean, eps)
  y = Sqrt(safe)
  z = Div(safe, y)
  product = Mul(x, mean)
})");
  // The division by y is one; that of a product of two values is not.
  EXPECT_THAT(With("decomposed_norm"), testing::Not(testing::Contains("product")));
  Find(R"((float[2, 8] x, float[2, 8] b) => (float[2, 1] y) <float eps = {0.001}> {
  product = Mul(x, b)
  mean = ReduceMean<axes = [-1]>(product)
  safe = Add(mean, eps)
  root = Sqrt(safe)
  y = Div(x, root)
})");
  EXPECT_THAT(With("decomposed_norm"), IsEmpty());
}

TEST_F(HazardsTest, WhatANormScalesStaysWideUntilTheMeanIsTakenOff) {
  Find(R"((float[3, 8] x, float[3, 1] mean) => (float[3, 8] y, float[3, 8] z)
<float eps = {0.001}, float bias = {0.1}> {
  square = Mul(x, x)
  power = ReduceMean<axes = [-1]>(square)
  safe = Add(power, eps)
  root = Sqrt(safe)
  scale = Reciprocal(root)
  scaled = Mul(x, scale)
  of_mean = Mul(mean, scale)
  shift = Sub(bias, of_mean)
  y = Add(scaled, shift)
  z = Add(scaled, x)
})");
  EXPECT_THAT(With("decomposed_norm"),
              UnorderedElementsAre("square", "power", "safe", "root", "scale", "scaled", "of_mean",
                                   "shift", "y"));
}

// Layers in which each node reads all of the layer before: the ways through them are beyond
// counting.
TEST_F(HazardsTest, GraphsOfCountlessWaysTakeNoLongerThanOthers) {
  constexpr int kWide = 60;
  std::string nodes = "v0 = Add(x, eps)\n";
  std::string layer = "v0";
  for (const char* op :
       {"Concat<axis = 0>", "Max", "Concat<axis = 0>", "Max", "Concat<axis = 0>"}) {
    std::string next;
    for (int i = 0; i < kWide; ++i) {
      const std::string name = "v" + std::to_string(nodes.size());
      nodes += name + " = " + op + "(" + layer + ")\n";
      next += (next.empty() ? "" : ", ") + name;
    }
    layer = next;
  }
  Find("(float[n] x) => (float[n] y) <float eps = {1e-9}> {\n" + nodes + "all = Concat<axis = 0>(" +
       layer + ")\nsin = Sin(all)\ny = Div(x, sin)\n}");
  EXPECT_FALSE(With("angle").empty());
}

TEST_F(HazardsTest, FusedOperatorsHaveNone) {
  EXPECT_THAT(Find(R"((float[2, 8] x) => (float[2, 8] y) <float[8] gain, float[8] bias> {
  normed = LayerNormalization<axis = -1, epsilon = 1e-12>(x, gain, bias)
  y = Softmax<axis = -1>(normed)
})"),
              IsEmpty());
}

TEST_F(HazardsTest, ASoftmaxIsDecomposedAlsoAfterSubtractingTheMaximum) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) {
  max = ReduceMax<axes = [-1]>(x)
  shifted = Sub(x, max)
  exp = Exp(shifted)
  axes = Constant<value = int64[1] {-1}>()
  sum = ReduceSum(exp, axes)
  y = Div(exp, sum)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("exp", "sum", "y"));
  EXPECT_THAT(Why("exp_sum"), HasSubstr("loses the small ones"));
}

TEST_F(HazardsTest, AnExponentialThatIsNotSummedIsNone) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) <float one = {1}> {
  exp = Exp(x)
  more = Add(one, exp)
  y = Div(one, more)
})");
  EXPECT_THAT(With("exp_sum"), IsEmpty());
}

TEST_F(HazardsTest, ASoftplusOverflowsBeforeItsLogarithm) {
  Find(R"((float[2, 8] x) => (float[2, 8] y) <float one = {1}> {
  exp = Exp(x)
  more = Add(one, exp)
  y = Log(more)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("exp", "more", "y"));
  EXPECT_THAT(With("near_zero"), IsEmpty());
}

TEST_F(HazardsTest, ALogSumExpIsOne) {
  Find(R"((float[2, 8] x) => (float[2, 1] y) { y = ReduceLogSumExp<axes = [-1]>(x) })");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("y"));
}

TEST_F(HazardsTest, ASmallEpsMattersBeforeADivisionAlsoThroughARoot) {
  Find(R"((float[2] x, float[2] v) => (float[2] y) <float eps = {1e-12}> {
  safe = Add(v, eps)
  root = Sqrt(safe)
  y = Div(x, root)
})");
  EXPECT_THAT(With("small_eps"), UnorderedElementsAre("safe", "root", "y"));
  EXPECT_THAT(Why("small_eps"), HasSubstr("'safe' is kept from zero by 1e-12"));
}

TEST_F(HazardsTest, ASmallLimitOfClipOrMaxMattersBeforeALogarithm) {
  Find(R"((float[2] x, float[2] v) => (float[2] y, float[2] z) <float eps = {1e-10}> {
  clipped = Clip(x, eps)
  y = Log(clipped)
  value = Constant<value_float = 1e-10>()
  larger = Max(v, value)
  z = Reciprocal(larger)
})");
  EXPECT_THAT(With("small_eps"), UnorderedElementsAre("clipped", "y", "larger", "z"));
}

TEST_F(HazardsTest, AnEpsThatFloat16HoldsOrThatProtectsNothingIsNone) {
  EXPECT_THAT(Find(R"((float[2] x, float[2] v) => (float[2] y, float[2] z, float[2] w)
<float eps = {0.0001}, float tiny = {1e-12}> {
  safe = Add(v, eps)
  y = Div(x, safe)
  shifted = Add(x, tiny)
  z = Div(shifted, safe)
  w = Relu(shifted)
})"),
              IsEmpty());
}

TEST_F(HazardsTest, LogarithmsRootsAndReciprocalsAreNearZeroWhereNothingBoundsThem) {
  Find(R"((float[2] x) => (float[2] a, float[2] b, float[2] c, float[2] d) <float minus = {-1}> {
  a = Log(x)
  b = Sqrt(x)
  c = Reciprocal(x)
  d = Pow(x, minus)
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("a", "b", "c", "d"));
}

TEST_F(HazardsTest, AMagnitudeTakesItsSquaresAlong) {
  Find(R"((float[2] re, float[2] im) => (float[2] y) <float two = {2}> {
  r = Pow(re, two)
  i = Mul(im, im)
  power = Add(r, i)
  y = Sqrt(power)
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("r", "i", "power", "y"));
}

TEST_F(HazardsTest, WhatIsBoundedConstantOrASizeIsNotNearZero) {
  Find(R"((float[2] x, float[n] z) => (float[2] a, float[2] b, float[1] c, float[2] d)
<float half = {0.5}, float two = {2}, float[2] w> {
  sigmoid = Sigmoid(x)
  bounded = Add(sigmoid, half)
  a = Log(bounded)
  b = Sqrt(w)
  shape = Shape(z)
  size = Cast<to = 1>(shape)
  c = Sqrt(size)
  d = Pow(x, two)
})");
  EXPECT_THAT(With("near_zero"), IsEmpty());
}

TEST_F(HazardsTest, SumsOverMoreThan2048ElementsAreLong) {
  Find(R"((float[2, 64, 64] x, float[1, 3, 48, 48] image, float[n, 4096] z)
  => (float[2] a, float[1, 3, 1, 1] b, float[m] c) {
  a = ReduceMean<axes = [-2, -1], keepdims = 0>(x)
  b = GlobalAveragePool(image)
  c = ReduceSumSquare<keepdims = 0>(z)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(Why("long_reduction"), HasSubstr("'a' reduces 4096 elements of 'x'"));
}

TEST_F(HazardsTest, ShortAndMaximumReductionsAreNotLong) {
  EXPECT_THAT(Find(R"((float[4096, 64] x, float[1, 3, 7, 7] image)
  => (float[4096] a, float[64] c, float[1, 3, 1, 1] d) {
  a = ReduceMean<axes = [-1], keepdims = 0>(x)
  c = ReduceMax<axes = [0], keepdims = 0>(x)
  d = GlobalAveragePool(image)
})"),
              IsEmpty());
}

TEST_F(HazardsTest, ARunningSumIsLongUnlessItsAxisIsKnownToBeShort) {
  Find(R"((float[2, n] x, float[2, 128] z) => (float[2, n] a, float[2, 128] b) <int64 axis = {1}> {
  a = CumSum(x, axis)
  b = CumSum(z, axis)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
}

TEST_F(HazardsTest, PositionsKeepTheirIntegersUpToTheSine) {
  Find(R"((int64[1, s] position_ids, float[1, s, 4] x) => (float[1, 4, s] a, float[1, s, 4] b)
<float[1, 4, 1] frequencies, int64[1] one = {1}> {
  wide = Unsqueeze(position_ids, one)
  positions = Cast<to = 1>(wide)
  angles = MatMul(frequencies, positions)
  a = Sin(angles)
  b = Cos(x)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("positions", "angles", "a"));
  EXPECT_THAT(Why("integer_arithmetic"), HasSubstr("integers from 'position_ids' reach Sin 'a'"));
}

TEST_F(HazardsTest, AnAttentionMaskIsNoInteger) {
  Find(R"((int64[1, s] attention_mask, float[1, s] x) => (float[1, s] y)
<float one = {1}, float fill = {-10000}> {
  mask = Cast<to = 1>(attention_mask)
  inverse = Sub(one, mask)
  filled = Mul(inverse, fill)
  y = Add(x, filled)
})");
  EXPECT_THAT(With("integer_arithmetic"), IsEmpty());
}

TEST_F(HazardsTest, ASizeThatBecomesASizeAgainIsComputedInFull) {
  Find(R"((float[1, n] x) => (int64[2] y) <float factor = {1.5}> {
  shape = Shape(x)
  size = Cast<to = 1>(shape)
  scaled = Mul(size, factor)
  whole = Floor(scaled)
  y = Cast<to = 7>(whole)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("size", "scaled", "whole", "y"));
}

TEST_F(HazardsTest, ASizeThatOnlyScalesAttentionIsNot) {
  Find(R"((float[1, n] x) => (float[1, n] y) {
  shape = Shape<start = -1>(x)
  size = Cast<to = 1>(shape)
  root = Sqrt(size)
  y = Div(x, root)
})");
  EXPECT_THAT(hazards_, IsEmpty());
}

TEST_F(HazardsTest, ASizeThatTheModelLeavesOpenDividesInFloat32) {
  for (const auto& [axis, found] : {std::pair("1", true), std::pair("2", false)}) {
    Find(std::string(R"((float[1, n, 64] x) => (float[1, n, 64] y, float[1, n, 64] z)
<int64 axis = {)") +
         axis +
         R"(}> {
  shape = Shape(x)
  size = Gather(shape, axis)
  count = Cast<to = 1>(size)
  y = Div(x, count)
  root = Sqrt(count)
  z = Mul(x, root)
})");
    const std::vector<std::string> expected =
        found ? std::vector<std::string>{"size", "count", "y", "root"} : std::vector<std::string>();
    EXPECT_THAT(With("integer_arithmetic"), testing::IsSubsetOf(expected));
    EXPECT_EQ(With("integer_arithmetic").empty(), !found);
  }
}

TEST_F(HazardsTest, FloatRangesAndRunningSumsOfIntegersCount) {
  Find(R"((float n, int64[1, s] mask, float[1, s] x) => (float[m] y, float[1, s] z)
<float zero = {0}, float one = {1}, int64 axis = {1}> {
  range = Range(zero, n, one)
  y = Sub(range, one)
  m = Cast<to = 1>(mask)
  counts = CumSum(m, axis)
  z = Mul(x, counts)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("range", "y", "m", "counts"));
  Find(R"(() => (float[m] y) <float zero = {0}, float n = {512}, float one = {1}> {
  range = Range(zero, n, one)
  y = Sub(range, one)
})");
  EXPECT_THAT(With("integer_arithmetic"), IsEmpty());
}

TEST_F(HazardsTest, IntegersMeetLargeIntegers) {
  Find(R"((int16[1, s] samples) => (float[1, s] y, float[1, s] z)
<float scale = {32768}, float small = {128}> {
  wave = Cast<to = 1>(samples)
  y = Div(wave, scale)
  z = Div(wave, small)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("wave", "y"));
}

TEST_F(HazardsTest, ClassesTimesASizeAreOffsetsAndMasksTimesAFillAreNone) {
  Find(R"((int64[n] classes, float[n] boxes, int64[n] mask, float[n] scores, float[n, 9] x)
=> (float[n] y, float[n] z, float[n] u)
<float size = {7680}, float one = {1}, float fill = {10000}, float hop = {320}> {
  number = Cast<to = 1>(classes)
  offset = Mul(number, size)
  y = Add(boxes, offset)
  shown = Cast<to = 1>(mask)
  hidden = Sub(shown, one)
  filled = Mul(hidden, fill)
  z = Add(scores, filled)
  best = ArgMax<axis = 1, keepdims = 0>(x)
  frame = Cast<to = 1>(best)
  sample = Mul(frame, hop)
  u = Sub(sample, boxes)
})");
  EXPECT_THAT(With("integer_arithmetic"),
              UnorderedElementsAre("number", "offset", "y", "frame", "sample", "u"));
}

TEST_F(HazardsTest, WordsNameGroupsOfHazards) {
  const auto named = [](const std::string& word) {
    std::vector<std::string> names;
    for (const HazardName& hazard : HazardNames()) {
      if (IsNamedBy(word, hazard)) names.push_back(hazard.name);
    }
    return names;
  };
  EXPECT_EQ(named("any").size(), HazardNames().size());
  EXPECT_EQ(named("float16").size(), HazardNames().size() - 2);
  EXPECT_THAT(named("float16"),
              testing::Not(testing::Contains(testing::AnyOf("mask_fill", "spectrum"))));
  EXPECT_THAT(named("bfloat16"), UnorderedElementsAre("decomposed_norm", "cancellation", "exp_sum",
                                                      "long_reduction", "angle", "coordinates",
                                                      "integer_arithmetic", "accumulating_loop"));
  EXPECT_THAT(named("angle"), UnorderedElementsAre("angle"));
}

TEST_F(HazardsTest, ALoopThatAddsToItsStateAccumulates) {
  Find(R"((int64 n, bool go, float[2] start, float[2] x) => (float[2] y) {
  y = Loop(n, go, start) <body = b (int64 i, bool c, float[2] total) => (bool c2, float[2] next) {
    c2 = Identity(c)
    next = Add(total, x)
  }>
})");
  EXPECT_THAT(With("accumulating_loop"), UnorderedElementsAre("y", "next"));
}

TEST_F(HazardsTest, ALoopThatReplacesItsStateDoesNot) {
  Find(R"((int64 n, bool go, float[2] start, float[2] x) => (float[2] y) {
  y = Loop(n, go, start) <body = b (int64 i, bool c, float[2] total) => (bool c2, float[2] next) {
    c2 = Identity(c)
    squashed = Tanh(total)
    next = Add(squashed, x)
  }>
})");
  EXPECT_THAT(With("accumulating_loop"), IsEmpty());
}

TEST_F(HazardsTest, AScanThatMultipliesItsStateAccumulates) {
  Find(R"((float[2] start, float[5, 2] x) => (float[2] y, float[5, 2] z) {
  y, z = Scan <num_scan_inputs = 1,
    body = b (float[2] total, float[2] slice) => (float[2] next, float[2] out) {
    next = Mul(total, slice)
    out = Add(slice, slice)
  }>(start, x)
})");
  EXPECT_THAT(With("accumulating_loop"), UnorderedElementsAre("y", "next"));
}

TEST_F(HazardsTest, HazardsInBodiesAreFound) {
  Find(R"((bool c, float[2] x) => (float[2] y) {
  y = If(c) <then_branch = a () => (float[2] p) { p = Log(x) },
             else_branch = b () => (float[2] q) { q = Relu(x) }>
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("p"));
}

TEST_F(HazardsTest, FactorsThatFloat16RoundsAwayAreSmallConstants) {
  Find(R"((float[2] x) => (float[2] a, float[2] b, float[2] c, float[2] d)
<float tiny = {1e-8}, float fine = {0.001}> {
  a = Mul(x, tiny)
  b = Div(x, tiny)
  c = Mul(x, fine)
  d = Add(x, tiny)
})");
  EXPECT_THAT(With("small_constant"), UnorderedElementsAre("a", "b"));
}

TEST_F(HazardsTest, LargeDivisorsAreNotMaskFills) {
  Find(R"((float[2] x, bool[2] m, float[1, 2, 3] image)
  => (float[2] a, float[2] b, bool[2] c, float[2] d, float[2] e, float[1, 2, 3] f)
<float large = {1e6}, float fill = {-3.4e38}, float edge = {65504}, float[2] gain = {1, 1},
 float[2] shift = {0, 0}, float[2] variance = {1, 9.7e7}> {
  a = Div(x, large)
  b = Where(m, x, fill)
  c = Less(x, large)
  d = Mul(x, fill)
  e = Div(x, edge)
  f = BatchNormalization(image, gain, shift, shift, variance)
})");
  EXPECT_THAT(With("large_constant"), UnorderedElementsAre("a", "c", "f"));
  EXPECT_THAT(With("mask_fill"), UnorderedElementsAre("b", "d"));
  EXPECT_THAT(Why("large_constant"), HasSubstr("Div reads the constant 1e+06"));
}

TEST_F(HazardsTest, AMaskMayBeMultipliedByAPositiveFill) {
  Find(R"((int64[2] mask, float[2] x) => (float[2] a, float[2] b)
<float one = {1}, float large = {1e9}> {
  m = Cast<to = 1>(mask)
  inverse = Sub(m, one)
  a = Mul(inverse, large)
  b = Mul(x, large)
})");
  EXPECT_THAT(With("mask_fill"), UnorderedElementsAre("a"));
  EXPECT_THAT(With("large_constant"), UnorderedElementsAre("b"));
}

TEST_F(HazardsTest, AnyFloatTypeCountsAndNoOther) {
  Find(R"((double[2] x, float16[2] h, bfloat16[2] g, int64[2] i)
=> (double[2] a, float16[2] b, bfloat16[2] c, int64[2] d) {
  a = Log(x)
  b = Sqrt(h)
  c = Reciprocal(g)
  d = Abs(i)
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(hazards_.size(), 3U);
}

// An opset that does not know an operator says nothing of its inputs. (The sanitizer of addresses
// sees what reads beside the values.)
TEST_F(HazardsTest, KnownNamesMayLackTheirInputs) {
  for (const char* op : {"Pow", "Div", "Clip", "ReduceSum", "Softmax", "Where"}) {
    Find(std::string("(float[4] x) => (float[4] y) { y = ") + op + "() }");
    EXPECT_THAT(hazards_, IsEmpty()) << op;
  }
  Find("(float[4] x) => (float[4] y) { y = CumSum() }");
  EXPECT_THAT(With("integer_arithmetic"), IsEmpty());
  Find("(float[4] x) => (float[4] y) { y = Range() }");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("y"));
}

TEST_F(HazardsTest, AreFoundByNode) {
  Find(R"((float[2] x) => (float[2] a, float[2] b) <float tiny = {1e-8}> {
  scaled = Mul(x, tiny)
  a = Log(scaled)
  b = Sqrt(x)
})");
  ASSERT_EQ(hazards_.size(), 3U);
  ASSERT_EQ(HazardsOf(hazards_, 1).size(), 1U);
  EXPECT_STREQ(HazardsOf(hazards_, 1)[0].kind->name, "near_zero");
  EXPECT_THAT(HazardsOf(hazards_, 7), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
