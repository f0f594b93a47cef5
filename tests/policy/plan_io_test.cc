#include "lib/policy/plan_io.h"

#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanIoTest = StageTest;

TEST_F(PlanIoTest, InputsComeBeforeOutputsAndOnlyFloatsAreDecided) {
  Load(R"(g (int64[2] shape, float[4] x) => (float[2, 2] z, int64[1] n) {
  z = Reshape(x, shape)
  n = Shape(x)
})");
  const std::vector<IoPlan> io = PlanIo(*context_, *resolver_);
  ASSERT_EQ(io.size(), 2U);
  EXPECT_EQ(io[0].value, ValueOf("x"));
  EXPECT_EQ(io[1].value, ValueOf("z"));
  const IoTypes types = TypesWith(*context_, io);
  EXPECT_EQ(types[ValueOf("x")], ElementType::kFloat16);
  EXPECT_EQ(types[ValueOf("z")], ElementType::kFloat16);
  EXPECT_EQ(types[ValueOf("n")], ElementType::kInt64);
}

TEST_F(PlanIoTest, AnInputWithADefaultKeepsItsType) {
  Load("g (float[2] x, float[2] w = {1, 2}) => (float[2] z) { z = Add(x, w) }");
  const IoTypes types = TypesWith(*context_, PlanIo(*context_, *resolver_));
  EXPECT_EQ(types[ValueOf("x")], ElementType::kFloat16);
  EXPECT_EQ(types[ValueOf("w")], ElementType::kFloat);
}

TEST_F(PlanIoTest, ASumOfTheStreamThatIsComputedInFloat32IsHandedOutSo) {
  const char* text = R"(g (float[2, 4] x) => (float[2, 4] y, float[2, 4] z)
<float[4, 4] w, float[4, 4] v> {
  a = MatMul(x, w)
  y = Add(x, a)
  b = MatMul(y, v)
  z = Relu(b)
})";
  Load(text, "  - match: {role: residual}\n    compute: float32\n");
  IoTypes types = TypesWith(*context_, PlanIo(*context_, *resolver_));
  EXPECT_EQ(types[ValueOf("y")], ElementType::kFloat);
  EXPECT_EQ(types[ValueOf("z")], ElementType::kFloat16);
  Load(text);
  types = TypesWith(*context_, PlanIo(*context_, *resolver_));
  EXPECT_EQ(types[ValueOf("y")], ElementType::kFloat16);
}

}  // namespace
}  // namespace onnxquant
