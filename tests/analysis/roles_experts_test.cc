#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesExpertsTest = RolesTest;

TEST_F(RolesExpertsTest, TheOperatorHoldsTheExpertsAndAProductChooses) {
  Load(std::string(kRolesHead) + R"(g (float[n, 8] x) => (float[n, 8] y)
<float[8, 4] wr, float[4, 8, 16] w1, float[4, 16, 8] w2> {
  [router] shares = MatMul(x, wr)
  [moe] e = com.microsoft.MoE<k = 2>(x, shares, w1, , w2)
  y = Add(x, e)
})");
  EXPECT_EQ(At("router").role, Role::kRouter);
  EXPECT_EQ(At("moe").role, Role::kExpert);
}

// Every expert reads every token, and the shares of those not chosen are 0.
TEST_F(RolesExpertsTest, ExpertsThatAreSpeltOut) {
  Load(std::string(kRolesHead) + R"(g (float[n, 8] x, int64[1] k) => (float[n, 8] y)
<float[8, 4] wr, float[4, 8, 16] w1, float[4, 16, 8] w2, float[8, 8] ws, float[8] gain,
 int64[1] first = {0}, float[1, 4] zeros> {
  [norm] h = SimplifiedLayerNormalization<axis = -1>(x, gain)
  [router] scores = MatMul(h, wr)
  [choice] best, which = TopK(scores, k)
  shares = Softmax(best)
  spread = ScatterElements<axis = 1>(zeros, which, shares)
  turned = Transpose<perm = [1, 0]>(spread)
  column = Unsqueeze(turned, k)
  [up] a = MatMul(h, w1)
  r = Relu(a)
  [down] d = MatMul(r, w2)
  weighed = Mul(d, column)
  e = ReduceSum(weighed, first)
  [shared] s = MatMul(h, ws)
  both = Add(e, s)
  [sum] y = Add(x, both)
})");
  EXPECT_EQ(At("router").role, Role::kRouter);
  EXPECT_EQ(At("up").role, Role::kExpert);
  EXPECT_EQ(At("down").role, Role::kExpert);
  EXPECT_NE(At("shared").role, Role::kExpert);
  EXPECT_EQ(At("sum").role, Role::kResidual);
}

TEST_F(RolesExpertsTest, AChoiceOfPlacesAloneRoutesNothing) {
  Load(std::string(kRolesHead) + R"(g (float[n, 8] x, int64[1] k) => (float[m, 8] y)
<float[8, 4] w> {
  [scores] s = MatMul(x, w)
  best, which = TopK<axis = 0>(s, k)
  y = GatherElements<axis = 0>(x, which)
})");
  EXPECT_EQ(At("scores").role, Role::kNone);
}

}  // namespace
}  // namespace onnxquant
