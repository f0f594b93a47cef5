#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/analysis/hazards.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

// A graph for each hazard.
const std::map<std::string, std::string>& Graphs() {
  static const auto& graphs = *new std::map<std::string, std::string>{
      {"decomposed_norm", R"((float[2, 8] x) => (float[2, 8] y) <float eps = {0.001}> {
  square = Mul(x, x)
  axes = Constant<value = int64[1] {-1}>()
  mean = ReduceMean(square, axes)
  safe = Add(mean, eps)
  root = Sqrt(safe)
  y = Div(x, root)
})"},
      {"exp_sum", R"((float[2, 8] x) => (float[2, 1] y) {
  exp = Exp(x)
  axes = Constant<value = int64[1] {-1}>()
  y = ReduceSum(exp, axes)
})"},
      {"small_eps", R"((float[2] x, float[2] v) => (float[2] y) <float eps = {1e-12}> {
  safe = Add(v, eps)
  y = Div(x, safe)
})"},
      {"near_zero", "(float[2] x) => (float[2] y) { y = Log(x) }"},
      {"long_reduction", R"((float[2, 4096] x) => (float[2, 1] y) {
  axes = Constant<value = int64[1] {-1}>()
  y = ReduceMean(x, axes)
})"},
      {"integer_arithmetic", R"((int64[n] ids) => (float[n] y) <float f = {0.01}> {
  positions = Cast<to = 1>(ids)
  scaled = Mul(positions, f)
  y = Sin(scaled)
})"},
      {"angle", R"((float[n] x) => (float[n] y) <float f = {1000}> {
  scaled = Mul(x, f)
  y = Sin(scaled)
})"},
      {"cancellation", R"((float[2, 8] x) => (float[2, 1] y) <int64[1] axes = {1}> {
  mean = ReduceMean(x, axes)
  square = Mul(x, x)
  squares = ReduceMean(square, axes)
  of_mean = Mul(mean, mean)
  y = Sub(squares, of_mean)
})"},
      {"coordinates", R"((float[1, 1, 4, 4] x, float[1, 2, 2, 2] flow, float[1, 2, 2, 2] base)
=> (float[1, 1, 2, 2] y) {
  moved = Add(base, flow)
  grid = Transpose<perm = [0, 2, 3, 1]>(moved)
  y = GridSample(x, grid)
})"},
      {"accumulating_loop", R"((int64 n, bool go, float x) => (float y) {
  y = Loop(n, go, x) <body = b (int64 i, bool more, float s) => (bool again, float t) <float step = {0.1}> {
    again = Identity(more)
    t = Add(s, step)
  }>
})"},
      {"small_constant", R"((float[2] x) => (float[2] y) <float tiny = {1e-6}> {
  y = Mul(x, tiny)
})"},
      {"large_constant", R"((float[2] x) => (float[2] y) <float wide_large = {1e6}> {
  large = Cast<to = 1>(wide_large)
  y = Mul(x, large)
})"},
      {"transpose_fusion", R"((float[2, 3, 4] x) => (float[3, 2, 5] y) <float[4, 5] w> {
  moved = Transpose<perm = [1, 0, 2]>(x)
  y = MatMul(moved, w)
})"}};
  return graphs;
}

TEST_F(CheckTest, EveryHazardIsAFaultInFloat16AndNoneInFloat32) {
  for (const auto& [hazard, text] : Graphs()) {
    const CheckOptions options = {.target = hazard == "transpose_fusion" ? "cpu" : "webgpu"};
    EXPECT_THAT(Check(Text(text), options).findings, IsEmpty()) << hazard;
    Check(InHalf(Text(text)), options);
    EXPECT_THAT(Kinds(), Contains(hazard));
    for (const Finding& finding : result_.findings) {
      EXPECT_FALSE(finding.evidence.empty());
      EXPECT_EQ(finding.count, static_cast<int>(finding.places.size()));
    }
  }
}

// Of mask fills a checker of their own speaks, and spectra are no matter of 16 bits.
TEST_F(CheckTest, EveryHazardHasAGraphHereButMaskFillsAndSpectra) {
  for (const HazardName& name : HazardNames()) {
    const std::string word = name.name;
    EXPECT_EQ(Graphs().contains(word), word != "mask_fill" && word != "spectrum") << word;
  }
}

TEST_F(CheckTest, WhatConstantsProveIsAnErrorWhatDataDecideAWarning) {
  for (const char* hazard : {"decomposed_norm", "small_eps", "small_constant"}) {
    Check(InHalf(Text(Graphs().at(hazard))));
    ASSERT_FALSE(result_.findings.empty()) << hazard;
    EXPECT_EQ(result_.findings[0].severity, Severity::kError) << hazard;
  }
  for (const char* hazard :
       {"exp_sum", "near_zero", "long_reduction", "integer_arithmetic", "accumulating_loop"}) {
    Check(InHalf(Text(Graphs().at(hazard))));
    ASSERT_FALSE(result_.findings.empty()) << hazard;
    EXPECT_EQ(result_.findings[0].severity, Severity::kWarning) << hazard;
  }
}

TEST_F(CheckTest, BFloat16HasFloat32sRange) {
  for (const auto& [hazard, text] : Graphs()) {
    Check(InHalf(Text(text), onnx::TensorProto::BFLOAT16));
    const bool precision =
        std::set<std::string>{"accumulating_loop",  "angle",         "cancellation", "coordinates",
                              "integer_arithmetic", "long_reduction"}
            .contains(hazard);
    EXPECT_THAT(Kinds(), precision ? testing::Matcher<std::vector<std::string>>(Contains(hazard))
                                   : Not(Contains(hazard)))
        << hazard;
  }
}

TEST_F(CheckTest, ACastToFloat32MakesAHazardRight) {
  Check(InHalf(Text(R"((float[2] x) => (float[2] y) {
  wide = Cast<to = 1>(x)
  log = Log(wide)
  y = Cast<to = 1>(log)
})")));
  EXPECT_THAT(Kinds(), IsEmpty());
}

TEST_F(CheckTest, WhatTheFileHasLostAsksForTheOriginal) {
  Check(InHalf(Text(Graphs().at("small_eps"))));
  ASSERT_THAT(Kinds(), ElementsAre("small_eps"));
  EXPECT_THAT(result_.findings[0].remedy, testing::HasSubstr("float32 original"));
}

}  // namespace
}  // namespace onnxquant
