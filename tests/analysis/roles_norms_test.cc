#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

constexpr char kHead[] = R"(g (float[n, 8] x) => (float[n, 8] y)
<float two = {2}, int64[1] last = {-1}, float eps = {1e-6}, float one = {1}, float half = {0.5},
 float minus_half = {-0.5}, float[8] gain, float[8] bias> {
)";

class RolesNormsTest : public RolesTest {
 protected:
  void LoadNorm(const std::string& nodes) { Load(std::string(kRolesHead) + kHead + nodes + "}"); }

  bool AllAreNorms() const {
    for (const NodeRole& node : roles_.nodes) {
      if (node.role != Role::kNorm) return false;
    }
    return !roles_.nodes.empty();
  }

  // Whether one norm was found, and whether it takes out the mean.
  std::optional<bool> Centred() const {
    if (roles_.spelt_norms.size() != 1) return std::nullopt;
    return roles_.spelt_norms.begin()->second;
  }
};

TEST_F(RolesNormsTest, ARootMeanSquareWithReciprocalAndGain) {
  LoadNorm(R"(s = Pow(x, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  r = Sqrt(e)
  i = Reciprocal(r)
  p = Mul(x, i)
  y = Mul(gain, p))");
  EXPECT_TRUE(AllAreNorms());
  EXPECT_EQ(Centred(), false);
}

TEST_F(RolesNormsTest, ARootMeanSquareThatDividesOneByTheRoot) {
  LoadNorm(R"(s = Mul(x, x)
  m = ReduceMean(s, last)
  e = Add(eps, m)
  r = Sqrt(e)
  i = Div(one, r)
  p = Mul(x, i)
  w = Add(one, gain)
  y = Mul(p, w))");
  EXPECT_TRUE(AllAreNorms());
  EXPECT_EQ(Centred(), false);
}

TEST_F(RolesNormsTest, ANormWithoutGainByAPower) {
  LoadNorm(R"(s = Pow(x, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  i = Pow(e, minus_half)
  y = Mul(x, i))");
  EXPECT_TRUE(AllAreNorms());
  EXPECT_EQ(Centred(), false);
}

TEST_F(RolesNormsTest, ALayerNormWithItsBias) {
  LoadNorm(R"(mean = ReduceMean(x, last)
  d = Sub(x, mean)
  s = Pow(d, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  r = Sqrt(e)
  p = Div(d, r)
  g = Mul(p, gain)
  y = Add(g, bias))");
  EXPECT_TRUE(AllAreNorms());
  EXPECT_EQ(Centred(), true);
}

TEST_F(RolesNormsTest, ALengthThatDividesIsNoNorm) {
  LoadNorm(R"(s = Pow(x, two)
  m = ReduceSum(s, last)
  r = Sqrt(m)
  y = Div(x, r))");
  EXPECT_TRUE(roles_.spelt_norms.empty());
}

TEST_F(RolesNormsTest, TheRootOfSomethingElseIsNoNorm) {
  LoadNorm(R"(s = Pow(x, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  r = Sqrt(e)
  z = Relu(x)
  y = Div(z, r))");
  EXPECT_TRUE(roles_.spelt_norms.empty());
}

TEST_F(RolesNormsTest, AFactorForAllElementsIsNoGain) {
  LoadNorm(R"(s = Pow(x, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  r = Sqrt(e)
  p = Div(x, r)
  [scale] y = Mul(p, half))");
  EXPECT_EQ(roles_.spelt_norms.size(), 1);
  EXPECT_EQ(At("scale").role, Role::kNone);
}

}  // namespace
}  // namespace onnxquant
