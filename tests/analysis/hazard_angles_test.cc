#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, ATimeStepsAngleAndItsFactorsAreOne) {
  Find(R"((float[n] t) => (float[n, 4] y)
<int64[1] last = {1}, float[2] frequencies = {1, 0.01}, float thousand = {1000}> {
  column = Unsqueeze(t, last)
  steps = Mul(column, thousand)
  angle = Mul(steps, frequencies)
  sin = Sin(angle)
  cos = Cos(angle)
  y = Concat<axis = -1>(sin, cos)
})");
  EXPECT_THAT(With("angle"), UnorderedElementsAre("column", "steps", "angle", "sin", "cos"));
  EXPECT_THAT(Why("angle"), HasSubstr("an angle that nothing bounds"));
}

TEST_F(HazardsTest, AnAngleIsLargeByItsFactorAndSmallByWhatBoundsIt) {
  Find(R"((float[n] x) => (float[n] y, float[n] z) <float pi = {3.14159}, float many = {300}> {
  gate = Sigmoid(x)
  half_turn = Mul(gate, pi)
  y = Sin(half_turn)
  turns = Mul(gate, many)
  z = Cos(turns)
})");
  EXPECT_THAT(With("angle"), UnorderedElementsAre("gate", "turns", "z"));
  EXPECT_THAT(Why("angle"), HasSubstr("an angle of up to 300"));
}

TEST_F(HazardsTest, WhatWholeTurnsAreTakenOffHasToBeExact) {
  Find(R"((float[n] x) => (float[n] y) <float turn = {6.2832}, float rate = {40}> {
  turns = Mul(x, rate)
  floor = Floor(turns)
  part = Sub(turns, floor)
  angle = Mul(part, turn)
  y = Sin(angle)
})");
  EXPECT_THAT(With("angle"), UnorderedElementsAre("turns", "floor", "part", "angle", "y"));
}

TEST_F(HazardsTest, CoordinatesTimesASmallMatrixAreAnglesAndALayerIsNone) {
  Find(R"((float[n, 2] x, float[n, 40] h) => (float[n, 3] y, float[n, 2] z)
<float[2, 3] b = {1, 2, 3, 4, 5, 6}, float[40, 2] w> {
  projected = MatMul(x, b)
  y = Sin(projected)
  layer = MatMul(h, w)
  z = Sin(layer)
})");
  EXPECT_THAT(With("angle"), UnorderedElementsAre("projected", "y", "z"));
}

TEST_F(HazardsTest, AnAnglePutTogetherByIndicesIsOneWithWhatItIsMadeOf) {
  Find(R"((float[n, 2] x, float[m] u, int64[m, 2] at) => (float[n, 2] y)
<float k = {300}, float[1] shift = {2}> {
  scaled = Mul(x, k)
  moved = Add(u, shift)
  put = ScatterND(scaled, at, moved)
  y = Sin(put)
})");
  EXPECT_THAT(With("angle"), UnorderedElementsAre("scaled", "moved", "put", "y"));
}

TEST_F(HazardsTest, ConstantAnglesAreComputedBeforeAnythingIsRounded) {
  Find(R"((float[n] x) => (float[n] y) <float[2] angles = {1000, 2000}> {
  table = Sin(angles)
  y = Mul(x, table)
})");
  EXPECT_THAT(With("angle"), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
