#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesLmHeadTest = RolesTest;

TEST_F(RolesLmHeadTest, TheLogitsOfAMergedDecoderAreThoseOfBothBranches) {
  Load(std::string(kRolesHead) + R"(
g (bool later, int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 8] table, float[8, 8] w, float[8, 64] head> {
  x = Gather(table, ids)
  logits = If(later) <
    then_branch = later_steps () => (float[b, s, 64] a) {
      [first] a = MatMul(x, head)
    },
    else_branch = first_step () => (float[b, s, 64] c) {
      b1 = MatMul(x, w)
      [second] b2 = MatMul(b1, head)
      c = Identity(b2)
    }
  >
})");
  EXPECT_EQ(At("first").role, Role::kLmHead);
  EXPECT_EQ(At("second").role, Role::kLmHead);
  EXPECT_EQ(ValueRole("logits"), Role::kLogits);
}

// A decoder of one layer that reads rows of an embedding that is elsewhere.
std::string Embedded(const std::string& head, const std::string& norm) {
  return std::string(kRolesHead) + R"(
g (float[b, s, 8] rows, float[b, 2, p, 4] past_k, float[b, 2, p, 4] past_v, int32[b] lens,
   int32 total) => (float[b, s, c] logits, float[b, 2, t, 4] k_out, float[b, 2, t, 4] v_out)
<float[8] gain, float[8, 8] wq, float[8, 8] wk, float[8, 8] wv, float[8, 8] wo, )" +
         head + R"( head> {
  n = )" +
         norm + R"((rows, gain)
  q = MatMul(n, wq)
  k = MatMul(n, wk)
  v = MatMul(n, wv)
  c, k_out, v_out = com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 2>(
      q, k, v, past_k, past_v, lens, total)
  o = MatMul(c, wo)
  x = Add(rows, o)
  last = )" +
         norm + R"((x, gain)
  [head] logits = MatMul(last, head)
})";
}

TEST_F(RolesLmHeadTest, ADecoderThatReadsRowsHasLogitsAllTheSame) {
  Load(Embedded("float[8, 64]", "SimplifiedLayerNormalization"));
  EXPECT_EQ(At("head").role, Role::kLmHead);
  EXPECT_EQ(ValueRole("logits"), Role::kLogits);
}

TEST_F(RolesLmHeadTest, AProductNarrowerThanTheStreamClassifies) {
  Load(Embedded("float[8, 3]", "SimplifiedLayerNormalization"));
  EXPECT_EQ(At("head").role, Role::kClassifier);
  EXPECT_EQ(ValueRole("logits"), Role::kNone);
}

}  // namespace
}  // namespace onnxquant
