#include "gmock/gmock.h"
#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// One layer of an encoder, and what follows it.
std::string Encoder(const std::string& weights, const std::string& end) {
  return std::string(kRolesHead) + R"(g (int64[b, s] ids) => (float[b, m] z)
<float[64, 8] table, float[8, 8] wq, float[8, 8] wk, float[8, 8] wv, float[8] gain,
 int64 first = {0}, )" +
         weights + R"(> {
  x = Gather(table, ids)
  q = MatMul(x, wq)
  k = MatMul(x, wk)
  v = MatMul(x, wv)
  c = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v)
  y = Add(x, c)
  n = LayerNormalization(y, gain, gain)
)" + end +
         "}";
}

using RolesHeadsTest = RolesTest;

TEST_F(RolesHeadsTest, APoolerIsWhatAnActivationFollows) {
  Load(Encoder("float[8, 8] wp, float[8] bp, float[8, 3] wc, float[3] bc", R"(
  one = Gather<axis = 1>(n, first)
  [pooler] p = Gemm(one, wp, bp)
  t = Tanh(p)
  [classifier] z = Gemm(t, wc, bc)
)"));
  EXPECT_EQ(At("pooler").role, Role::kPooler);
  EXPECT_EQ(At("classifier").role, Role::kClassifier);
  EXPECT_TRUE(roles_.ambiguous.empty());
}

TEST_F(RolesHeadsTest, WithoutABiasItIsSaidThatItMayBeEither) {
  Load(Encoder("float[8, 5] wc", R"(
  one = Gather<axis = 1>(n, first)
  [which] z = MatMul(one, wc)
)"));
  EXPECT_EQ(At("which").role, Role::kNone);
  ASSERT_EQ(roles_.ambiguous.size(), 1);
  EXPECT_THAT(roles_.ambiguous[0].why, HasSubstr("classifier or pooler"));
}

TEST_F(RolesHeadsTest, AClassOfEveryTokenIsAClassifier) {
  Load(Encoder("float[8, 5] wc", "[tokens] z = MatMul(n, wc)\n"));
  EXPECT_EQ(At("tokens").role, Role::kClassifier);
}

TEST_F(RolesHeadsTest, APartOfTheLastAxisIsNoPosition) {
  Load(Encoder("float[8, 5] wc, float[5, 3] wd", R"(
  one = Gather<axis = 2>(n, first)
  [inner] p = MatMul(one, wc)
  t = Tanh(p)
  z = MatMul(t, wd)
)"));
  EXPECT_EQ(At("inner").role, Role::kNone);
}

}  // namespace
}  // namespace onnxquant
