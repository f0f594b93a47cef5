#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesCrossAttentionTest = RolesTest;

TEST_F(RolesCrossAttentionTest, AnAttentionToAnEncodersStatesIsAnAttentionStill) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] ids, float[b, e, 8] states) => (float[b, s, 8] z)
<float[64, 8] table, float[8, 8] wq, float[8, 8] wk, float[8, 8] wv> {
  x = Gather(table, ids)
  q = MatMul(x, wq)
  k = MatMul(x, wk)
  v = MatMul(x, wv)
  [self] c = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v)
  y = Add(x, c)
  q2 = MatMul(y, wq)
  k2 = MatMul(states, wk)
  v2 = MatMul(states, wv)
  [cross] d = com.microsoft.MultiHeadAttention<num_heads = 2>(q2, k2, v2)
  z = Add(y, d)
})");
  EXPECT_EQ(At("self").role, Role::kAttention);
  EXPECT_EQ(At("self").also, Role::kNone);
  EXPECT_EQ(At("cross").role, Role::kCrossAttention);
  EXPECT_TRUE(At("cross").Is(Role::kAttention));
}

TEST_F(RolesCrossAttentionTest, BothProductsOfADecomposedOneAreIt) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] ids, float[b, e, 8] states) => (float[b, s, 8] z)
<float[64, 8] table, float[8, 8] wq> {
  x = Gather(table, ids)
  q = MatMul(x, wq)
  k = Transpose<perm = [0, 2, 1]>(states)
  [scores] s = MatMul(q, k)
  p = Softmax(s)
  [context] c = MatMul(p, states)
  z = Add(x, c)
})");
  EXPECT_EQ(At("scores").role, Role::kCrossAttention);
  EXPECT_EQ(At("context").role, Role::kCrossAttention);
}

}  // namespace
}  // namespace onnxquant
