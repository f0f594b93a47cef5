// Hazards of graphs that are 16-bit already, where what goes wrong is in the file.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"
#include "tests/support/half_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class HalfHazardsTest : public HazardsTest {
 protected:
  void FindInHalf(const std::string& text,
                  onnx::TensorProto::DataType half = onnx::TensorProto::FLOAT16) {
    FindIn(InHalf(ParseModel(kHazardsHead + text), half));
  }
};

constexpr char kNorm[] =
    R"((float[2, 8] x) => (float[2, 8] y) <float two = {2}, float eps = {0.001}> {
  mean = ReduceMean<axes = [-1]>(x)
  centred = Sub(x, mean)
  square = Pow(centred, two)
  variance = ReduceMean<axes = [-1]>(square)
  safe = Add(variance, eps)
  root = Sqrt(safe)
  y = Div(centred, root)
})";

TEST_F(HalfHazardsTest, ADecomposedNormIsOneInFloat16AndInBFloat16) {
  for (const auto half : {onnx::TensorProto::FLOAT16, onnx::TensorProto::BFLOAT16}) {
    FindInHalf(kNorm, half);
    EXPECT_THAT(With("decomposed_norm"),
                UnorderedElementsAre("mean", "centred", "square", "variance", "safe", "root", "y"));
    EXPECT_EQ(hazards_.size(), 7U);
  }
}

TEST_F(HalfHazardsTest, ANormInFloat64IsOneToo) {
  onnx::ModelProto model = ParseModel(
      std::string(kHazardsHead) + R"((double[2, 8] x) => (double[2, 8] y) <double eps = {0.001}> {
  square = Mul(x, x)
  mean = ReduceMean<axes = [-1]>(square)
  safe = Add(mean, eps)
  root = Sqrt(safe)
  y = Div(x, root)
})");
  FindIn(model);
  EXPECT_THAT(With("decomposed_norm"), UnorderedElementsAre("square", "mean", "safe", "root", "y"));
}

TEST_F(HalfHazardsTest, AnEpsilonThatVanishedWhenTheFileWasMadeIsSeen) {
  FindInHalf(R"((float[2] x, float[2] v) => (float[2] y) <float eps = {1e-12}> {
  safe = Add(v, eps)
  root = Sqrt(safe)
  y = Div(x, root)
})");
  EXPECT_THAT(With("small_eps"), UnorderedElementsAre("safe", "root", "y"));
  EXPECT_THAT(Why("small_eps"), HasSubstr("'safe' is kept from zero by 0: float32's constant is "
                                          "lost in the file, before Sqrt makes 'root'"));
}

TEST_F(HalfHazardsTest, ASubnormalEpsilonIsSmall) {
  FindInHalf(R"((float[2] x, float[2] v) => (float[2] y) <float eps = {1e-6}> {
  safe = Max(eps, v)
  y = Div(x, safe)
})");
  EXPECT_THAT(With("small_eps"), UnorderedElementsAre("safe", "y"));
  EXPECT_THAT(Why("small_eps"), HasSubstr("1.01328e-06, which is below float16's smallest normal"));
}

TEST_F(HalfHazardsTest, ALimitThatVanishedBeforeADivisionIsSeen) {
  FindInHalf(R"((float[2] x, float[2] v) => (float[2] y, float[2] z) <float eps = {1e-12}> {
  clipped = Clip(v, eps)
  y = Div(x, clipped)
  larger = Max(v, eps)
  root = Sqrt(larger)
  z = Div(x, root)
})");
  EXPECT_THAT(With("small_eps"), UnorderedElementsAre("clipped", "y", "larger", "root", "z"));
}

TEST_F(HalfHazardsTest, ALimitOfZeroBeforeARootIsMeant) {
  FindInHalf(R"((float[2] v) => (float[2] y, float[2] z) <float zero = {0}> {
  larger = Max(v, zero)
  y = Sqrt(larger)
  clipped = Clip(v, zero)
  z = Sqrt(clipped)
})");
  EXPECT_THAT(With("small_eps"), IsEmpty());
}

TEST_F(HalfHazardsTest, AZeroThatFloat32AddsIsNotLost) {
  Find(R"((float[2] x, float[2] v) => (float[2] y) <float zero = {0}> {
  sum = Add(v, zero)
  y = Div(x, sum)
})");
  EXPECT_THAT(With("small_eps"), IsEmpty());
}

TEST_F(HalfHazardsTest, ADivisorThatVanishedIsSeen) {
  constexpr char kText[] = R"((float[2] x) => (float[2] y) <float tiny = {1e-9}> {
  y = Div(x, tiny)
})";
  FindInHalf(kText);
  EXPECT_THAT(With("small_constant"), UnorderedElementsAre("y"));
  EXPECT_THAT(Why("small_constant"), HasSubstr("lost in the file"));
  Find(kText);
  EXPECT_THAT(Why("small_constant"), HasSubstr("the constant 1e-09"));
}

TEST_F(HalfHazardsTest, PositionsThatPassThroughFloat16AreHazards) {
  FindInHalf(R"((int64[n] ids) => (float[n] y) <float f = {0.01}> {
  positions = Cast<to = 1>(ids)
  scaled = Mul(positions, f)
  y = Sin(scaled)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("positions", "scaled", "y"));
}

TEST_F(HalfHazardsTest, ACastBetweenFloatTypesMakesNoIntegers) {
  FindInHalf(R"((float[n] x) => (float[n] y) {
  wide = Cast<to = 11>(x)
  narrow = Cast<to = 1>(wide)
  y = Log(narrow)
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("y"));
  EXPECT_THAT(With("integer_arithmetic"), IsEmpty());
}

TEST_F(HalfHazardsTest, AMaskInFloat32ThatIsCastIsStillOne) {
  FindIn(ParseModel(std::string(kHazardsHead) +
                    R"((bool[2] m) => (float16[2] y) <float fill = {-1e9}> {
  half = Cast<to = 10>(m)
  mask = Cast<to = 1>(half)
  filled = Mul(mask, fill)
  y = Cast<to = 10>(filled)
})"));
  EXPECT_THAT(With("mask_fill"), UnorderedElementsAre("filled"));
  EXPECT_THAT(With("large_constant"), IsEmpty());
}

TEST_F(HalfHazardsTest, SumsOfProductsInFloat16AreHazards) {
  FindInHalf(R"((uint8[2, 8] a, uint8[8, 4] b) => (float[2, 4] y) <float scale = {0.01}> {
  product = MatMulInteger(a, b)
  sums = Cast<to = 1>(product)
  y = Mul(sums, scale)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("sums", "y"));
}

}  // namespace
}  // namespace onnxquant
