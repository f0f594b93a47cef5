#include "lib/analysis/roles.h"

#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// Two layers in the community's Gemma form: pre- and post-norms, GroupQueryAttention, gated MLP
// with Gelu, tied head behind a Transpose, logits of the last position only.
std::string Gemma() {
  std::string text = std::string(kRolesHead) +
                     "g (int64[b, s] ids, float[b, 1, p, 4] past_k, float[b, 1, p, 4] past_v, "
                     "int32[b] lens, int32 total, int64[b, s] pos) => (float[b, s, 64] logits, "
                     "float[b, 1, t, 4] present_k, float[b, 1, t, 4] present_v)\n"
                     "<float[64, 8] table, float scale, float[8] gain, float[4] small, "
                     "float[16, 2] cosines, float[16, 2] sines, int64[4] split, int64[3] join, "
                     "int64[1] last, ";
  for (const char* layer : {"0", "1"}) {
    for (const char* name : {"wq", "wk", "wv", "wo"}) {
      text += std::string("float[8, 8] ") + name + layer + ", ";
    }
    text += std::string("float[8, 16] wg") + layer + ", float[8, 16] wu" + layer +
            ", float[16, 8] wd" + layer + (layer[0] == '0' ? ", " : ">\n{\n");
  }
  text += "  e = Gather(table, ids)\n  [scaled] x0 = Mul(e, scale)\n";
  for (const int layer : {0, 1}) {
    const std::string n = std::to_string(layer);
    const std::string cache = layer == 0 ? "present_k, present_v" : "k_out, v_out";
    text += "  [pre" + n + "] a" + n + " = SimplifiedLayerNormalization(x" + n + ", gain)\n" +
            "  [q" + n + "] q" + n + " = MatMul(a" + n + ", wq" + n + ")\n" + "  [k" + n + "] k" +
            n + " = MatMul(a" + n + ", wk" + n + ")\n" + "  [v" + n + "] v" + n + " = MatMul(a" +
            n + ", wv" + n + ")\n" + "  qs" + n + " = Reshape(q" + n + ", split)\n" + "  [qnorm" +
            n + "] qn" + n + " = SimplifiedLayerNormalization(qs" + n + ", small)\n" + "  qj" + n +
            " = Reshape(qn" + n + ", join)\n" + "  [rope" + n + "] qr" + n +
            " = com.microsoft.RotaryEmbedding(qj" + n + ", pos, cosines, sines)\n" +
            "  [attention" + n + "] c" + n + ", " + cache +
            " = com.microsoft.GroupQueryAttention<num_heads = 2, kv_num_heads = 2>(qr" + n + ", k" +
            n + ", v" + n + ", past_k, past_v, lens, total)\n" + "  [o" + n + "] o" + n +
            " = MatMul(c" + n + ", wo" + n + ")\n" + "  [post" + n + "] p" + n +
            " = SimplifiedLayerNormalization(o" + n + ", gain)\n" + "  [add_a" + n + "] y" + n +
            " = Add(x" + n + ", p" + n + ")\n" + "  [ff" + n + "] f" + n +
            " = SimplifiedLayerNormalization(y" + n + ", gain)\n" + "  [gate" + n + "] g" + n +
            " = MatMul(f" + n + ", wg" + n + ")\n" + "  [up" + n + "] u" + n + " = MatMul(f" + n +
            ", wu" + n + ")\n" + "  act" + n + " = Gelu(g" + n + ")\n" + "  m" + n + " = Mul(act" +
            n + ", u" + n + ")\n" + "  [down" + n + "] d" + n + " = MatMul(m" + n + ", wd" + n +
            ")\n" + "  [add_m" + n + "] x" + std::to_string(layer + 1) + " = Add(y" + n + ", d" +
            n + ")\n";
  }
  return text +
         "  [final] h = SimplifiedLayerNormalization(x2, gain)\n"
         "  [turn] t = Transpose<perm = [1, 0]>(table)\n"
         "  [head] all = MatMul(h, t)\n"
         "  one = Gather<axis = 1>(all, last)\n"
         "  logits = Cast<to = 1>(one)\n}";
}

TEST_F(RolesTest, NameEveryPartOfAGemma) {
  Load(Gemma());
  const std::map<std::string, Role> expected = {
      {"scaled", Role::kEmbedding}, {"pre0", Role::kNorm},
      {"q1", Role::kQProj},         {"k1", Role::kKProj},
      {"v1", Role::kVProj},         {"o1", Role::kOProj},
      {"rope1", Role::kRope},       {"gate1", Role::kGateProj},
      {"up1", Role::kUpProj},       {"down1", Role::kDownProj},
      {"add_a0", Role::kResidual},  {"add_m1", Role::kResidual},
      {"final", Role::kNorm},       {"head", Role::kLmHead},
      {"turn", Role::kLmHead},      {"attention0", Role::kAttention}};
  for (const auto& [node, role] : expected) {
    EXPECT_STREQ(NameOf(At(node).role), NameOf(role)) << node;
    EXPECT_NE(At(node).evidence, "") << node;
  }
  EXPECT_EQ(ValueRole("past_k"), Role::kKvCache);
  EXPECT_EQ(ValueRole("present_v"), Role::kKvCache);
  EXPECT_EQ(ValueRole("logits"), Role::kLogits);
  EXPECT_EQ(ValueRole("ids"), Role::kNone);
}

TEST_F(RolesTest, NumberTheLayers) {
  Load(Gemma());
  EXPECT_EQ(roles_.layers, 2);
  for (const char* node :
       {"pre0", "q0", "qnorm0", "o0", "post0", "add_a0", "gate0", "down0", "add_m0"}) {
    EXPECT_EQ(At(node).layer, 0) << node;
  }
  for (const char* node : {"pre1", "v1", "attention1", "ff1", "add_m1"}) {
    EXPECT_EQ(At(node).layer, 1) << node;
  }
  for (const char* node : {"scaled", "final", "head"}) EXPECT_EQ(At(node).layer, kNone) << node;
}

TEST_F(RolesTest, TellResidualAddsFromOtherAdds) {
  Load(std::string(kRolesHead) + R"(g (float[2, 8] x, float[2, 8] mask) => (float[2, 8] z)
<float[8, 8] w, float[8] bias, float c> {
  a = MatMul(x, w)
  [bias] b = Add(a, bias)
  [mask] m = Add(b, mask)
  cubed = Mul(m, m)
  curved = Mul(cubed, c)
  [gelu] g = Add(m, curved)
  sine = Sin(b)
  cosine = Cos(b)
  [rotary] r = Add(sine, cosine)
  mixed = Add(g, r)
  [stream] z = Add(x, mixed)
})");
  for (const char* node : {"bias", "mask", "gelu", "rotary"}) {
    EXPECT_EQ(At(node).role, Role::kNone) << node;
  }
  EXPECT_EQ(At("stream").role, Role::kResidual);
}

// The second layer's scores depend on the mask through the first layer's weights.
TEST_F(RolesTest, TellResidualAddsFromMasksThatLayersShare) {
  std::string text =
      std::string(kRolesHead) + R"(g (int64[b, s] ids, float[b, s] mask) => (float[b, s, 8] x2)
<float[64, 8] table, float[8, 8] w, float[8] gain> {
  x0 = Gather(table, ids)
)";
  for (const int layer : {0, 1}) {
    const std::string n = std::to_string(layer);
    text += "  a" + n + " = LayerNormalization(x" + n + ", gain)\n  q" + n + " = MatMul(a" + n +
            ", w)\n  t" + n + " = Transpose<perm = [0, 2, 1]>(a" + n + ")\n  s" + n +
            " = MatMul(q" + n + ", t" + n + ")\n  [mask" + n + "] m" + n + " = Add(s" + n +
            ", mask)\n  r" + n + " = Identity(m" + n + ")\n  p" + n + " = Softmax(r" + n +
            ")\n  c" + n + " = MatMul(p" + n + ", a" + n + ")\n  o" + n + " = MatMul(c" + n +
            ", w)\n  [sum" + n + "] x" + std::to_string(layer + 1) + " = Add(x" + n + ", o" + n +
            ")\n";
  }
  Load(text + "}");
  for (const char* node : {"mask0", "mask1"}) EXPECT_EQ(At(node).role, Role::kNone) << node;
  for (const char* node : {"sum0", "sum1"}) EXPECT_EQ(At(node).role, Role::kResidual) << node;
}

TEST_F(RolesTest, SeeADecomposedAttentionAndAnUngatedMlp) {
  Load(std::string(kRolesHead) + R"(g (int64[b, s] ids, float[b, s] mask) => (float[b, s, 8] z)
<float[64, 8] table, float[8, 8] wq, float[8, 8] wk, float[8, 8] wv, float[8, 8] wo, float[8] bias,
 float[8, 32] w1, float[32, 8] w2, float[8] gain, float eight> {
  x = Gather(table, ids)
  [q] q = MatMul(x, wq)
  qb = Add(q, bias)
  [k] k = MatMul(x, wk)
  kt = Transpose<perm = [0, 2, 1]>(k)
  [v] v = MatMul(x, wv)
  [scores] raw = MatMul(qb, kt)
  scaled = Div(raw, eight)
  [mask] masked = Add(scaled, mask)
  [soft] p = Softmax(masked)
  [context] c = MatMul(p, v)
  [o] o = MatMul(c, wo)
  ob = Add(o, bias)
  [add_a] y = Add(ob, x)
  [norm] n = LayerNormalization(y, gain, gain)
  [fc1] h = MatMul(n, w1)
  [act] a = Relu(h)
  [fc2] f = MatMul(a, w2)
  [add_m] z = Add(f, n)
})");
  const std::map<std::string, Role> expected = {
      {"q", Role::kQProj},           {"k", Role::kKProj},        {"v", Role::kVProj},
      {"o", Role::kOProj},           {"soft", Role::kSoftmax},   {"scores", Role::kAttention},
      {"context", Role::kAttention}, {"add_a", Role::kResidual}, {"fc1", Role::kUpProj},
      {"fc2", Role::kDownProj},      {"add_m", Role::kResidual}, {"mask", Role::kNone}};
  for (const auto& [node, role] : expected) {
    EXPECT_STREQ(NameOf(At(node).role), NameOf(role)) << node;
  }
  EXPECT_EQ(roles_.layers, 1);
}

TEST_F(RolesTest, TellTheGateOfADecomposedSwish) {
  Load(std::string(kRolesHead) + R"(g (float[2, 8] x) => (float[2, 8] z)
<float[8, 16] wg, float[8, 16] wu, float[16, 8] wd> {
  [gate] g = MatMul(x, wg)
  s = Sigmoid(g)
  swish = Mul(g, s)
  [up] u = MatMul(x, wu)
  m = Mul(u, swish)
  [down] d = MatMul(m, wd)
  z = Add(x, d)
})");
  EXPECT_STREQ(NameOf(At("gate").role), "gate_proj");
  EXPECT_STREQ(NameOf(At("up").role), "up_proj");
  EXPECT_STREQ(NameOf(At("down").role), "down_proj");
}

TEST_F(RolesTest, NameAFusedProjection) {
  Load(std::string(kRolesHead) +
       R"(g (float[1, 2, 8] x) => (float[1, 2, 8] z) <float[8, 24] w, float[8, 8] wo> {
  [fused] qkv = MatMul(x, w)
  q, k, v = Split<axis = -1, num_outputs = 3>(qkv)
  c = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v)
  [o] o = MatMul(c, wo)
  z = Add(x, o)
})");
  EXPECT_EQ(At("fused").role, Role::kQkvProj);
  EXPECT_THAT(At("fused").evidence, HasSubstr("more than one of queries, keys and values"));
  EXPECT_EQ(At("o").role, Role::kOProj);
}

// A decoder merged from its first step and its later ones, with self attention in one branch and
// an encoder's keys and values, handed through, in the other.
constexpr char kMergedDecoder[] = R"(
g (bool later, int64[b, s] ids, float[b, e, 8] states, float[b, h, p, 4] past_k,
   float[b, h, p, 4] past_v, float[b, h, e, 4] cross_k, float[b, h, e, 4] cross_v)
   => (float[b, h, t, 4] present_k, float[b, h, t, 4] present_v, float[b, h, s, 4] z)
<float[64, 8] table, float[8, 8] wq, float[8, 8] wk, float[8, 8] wv, int64[4] split> {
  x = Gather(table, ids)
  q1 = MatMul(x, wq)
  q2 = Reshape(q1, split)
  q = Transpose<perm = [0, 2, 1, 3]>(q2)
  present_k, present_v, z = If(later) <
    then_branch = later_steps () => (float[b, h, t, 4] k, float[b, h, t, 4] v, float[] c) {
      k = Concat<axis = 2>(past_k, q)
      v = Concat<axis = 2>(past_v, q)
      across = Transpose<perm = [0, 1, 3, 2]>(cross_k)
      scores = MatMul(q, across)
      shares = Softmax(scores)
      c = MatMul(shares, cross_v)
    },
    else_branch = first_step () => (float[b, h, t, 4] k0, float[b, h, t, 4] v0, float[] c0) {
      k1 = MatMul(states, wk)
      k2 = Reshape(k1, split)
      k0 = Transpose<perm = [0, 2, 1, 3]>(k2)
      turned = Transpose<perm = [0, 2, 3, 1]>(k2)
      v1 = MatMul(states, wv)
      v2 = Reshape(v1, split)
      v0 = Transpose<perm = [0, 2, 1, 3]>(v2)
      scores0 = MatMul(q, turned)
      shares0 = Softmax(scores0)
      c0 = MatMul(shares0, v0)
    }
  >
})";

TEST_F(RolesTest, FollowTheCacheThroughTheBranchesOfAMergedDecoder) {
  Load(std::string(kRolesHead) + kMergedDecoder);
  for (const char* name : {"past_k", "past_v", "cross_k", "cross_v", "present_k", "present_v"}) {
    EXPECT_EQ(ValueRole(name), Role::kKvCache) << name;
  }
  for (const char* name : {"states", "z"}) EXPECT_EQ(ValueRole(name), Role::kNone) << name;
}

TEST_F(RolesTest, FindTheCacheThatADecodersFirstStepMakes) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] ids) => (float[b, h, s, 4] keys, float[b, h, s, 4] values, float[b, h, s, 4] z)
<float[64, 8] table, float[8, 8] wk, float[8, 8] wv, int64[4] split> {
  x = Gather(table, ids)
  k1 = MatMul(x, wk)
  k2 = Reshape(k1, split)
  keys = Transpose<perm = [0, 2, 1, 3]>(k2)
  turned = Transpose<perm = [0, 2, 3, 1]>(k2)
  v1 = MatMul(x, wv)
  v2 = Reshape(v1, split)
  values = Transpose<perm = [0, 2, 1, 3]>(v2)
  scores = MatMul(keys, turned)
  shares = Softmax(scores)
  z = MatMul(shares, values)
})");
  EXPECT_EQ(ValueRole("keys"), Role::kKvCache);
  EXPECT_EQ(ValueRole("values"), Role::kKvCache);
  EXPECT_EQ(ValueRole("z"), Role::kNone);
}

TEST_F(RolesTest, FindNoCacheInAModelThatReadsNoTokens) {
  Load(std::string(kRolesHead) + R"(
g (float[b, s, 4] q, float[b, s, 4] k, float[b, s, 4] v) => (float[b, s, 4] z) {
  turned = Transpose<perm = [0, 2, 1]>(k)
  scores = MatMul(q, turned)
  shares = Softmax(scores)
  z = MatMul(shares, v)
})");
  EXPECT_EQ(ValueRole("k"), Role::kNone);
}

TEST_F(RolesTest, FindNoLanguageModelInAConvolution) {
  Load(std::string(kRolesHead) + R"(g (float[1, 3, 8, 8] x) => (float[1, 10] z)
<float[3, 3, 3, 3] w, float[192, 10] fc> {
  [conv] y = Conv<pads = [1, 1, 1, 1]>(x, w)
  [add] a = Add(x, y)
  f = Flatten(a)
  [fc] z = MatMul(f, fc)
})");
  EXPECT_EQ(At("conv").role, Role::kConv);
  EXPECT_EQ(At("add").role, Role::kResidual);
  EXPECT_EQ(At("fc").role, Role::kNone);
  EXPECT_EQ(roles_.layers, 0);
}

TEST(RoleNames, AreUniqueAndExplained) {
  std::set<std::string> names;
  for (const RoleName& row : RoleNames()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_STREQ(NameOf(row.role), row.name);
    EXPECT_NE(std::string(row.meaning), "");
  }
  EXPECT_STREQ(NameOf(Role::kNone), "");
}

TEST_F(RolesTest, SplitOneProjectionIntoGateAndUp) {
  Load(std::string(kRolesHead) + R"(g (float[2, 8] x) => (float[2, 8] z)
<float[8, 32] w, float[16, 8] wd> {
  [both] b = MatMul(x, w)
  g, u = Split<axis = -1, num_outputs = 2>(b)
  s = Sigmoid(g)
  swish = Mul(g, s)
  m = Mul(u, swish)
  [down] d = MatMul(m, wd)
  z = Add(x, d)
})");
  EXPECT_EQ(At("both").role, Role::kGateUpProj);
  EXPECT_TRUE(At("both").Is(Role::kUpProj));
  EXPECT_EQ(At("down").role, Role::kDownProj);
}

TEST_F(RolesTest, TakeASwishOfOneProjectionForNoGate) {
  Load(std::string(kRolesHead) + R"(g (float[2, 8] x) => (float[2, 8] z)
<float[8, 16] w, float[16, 8] wd> {
  [up] b = MatMul(x, w)
  s = Sigmoid(b)
  m = Mul(b, s)
  d = MatMul(m, wd)
  z = Add(x, d)
})");
  EXPECT_EQ(At("up").role, Role::kUpProj);
}

TEST_F(RolesTest, TakeASkipNormForASumOfTheStreamAsWell) {
  Load(std::string(kRolesHead) + R"(g (float[1, 2, 8] x) => (float[1, 2, 8] z)
<float[8] gain, float[8, 8] w> {
  a = SimplifiedLayerNormalization(x, gain)
  b = MatMul(a, w)
  [skip] z = com.microsoft.SkipSimplifiedLayerNormalization(x, b, gain)
})");
  EXPECT_EQ(At("skip").role, Role::kNorm);
  EXPECT_TRUE(At("skip").Is(Role::kResidual));
}

TEST_F(RolesTest, FollowNoShapesToAProjection) {
  Load(std::string(kRolesHead) + R"(g (float[1, s, 8] x) => (float[1, s, 8] z)
<float[8, 8] wq, float[8, 8] wk, float[8, 8] wv> {
  [q] q = MatMul(x, wq)
  [k] k = MatMul(x, wk)
  [v] v = MatMul(x, wv)
  shape = Shape<start = 2>(q)
  width = Cast<to = 1>(shape)
  root = Sqrt(width)
  scaled = Div(k, root)
  turned = Transpose<perm = [0, 2, 1]>(scaled)
  scores = MatMul(q, turned)
  shares = Softmax(scores)
  z = MatMul(shares, v)
})");
  EXPECT_EQ(At("k").role, Role::kKProj);
}

TEST_F(RolesTest, SeeTheProductsOfAQuantizedModel) {
  Load(std::string(kRolesHead) + R"(g (float[1, s, 8] x) => (float[1, s, 8] z)
<int8[8, 8] wq, float[8, 8] wk, float[8, 8] wv> {
  xq, scale, zero = DynamicQuantizeLinear(x)
  [q] product = MatMulInteger(xq, wq, zero)
  wide = Cast<to = 1>(product)
  q = Mul(wide, scale)
  k = MatMul(x, wk)
  v = MatMul(x, wv)
  turned = Transpose<perm = [0, 2, 1]>(k)
  scores = MatMul(q, turned)
  shares = Softmax(scores)
  z = MatMul(shares, v)
})");
  EXPECT_EQ(At("q").role, Role::kQProj);
}

TEST_F(RolesTest, TakeTheFusedEmbeddingForANormAsWell) {
  Load(std::string(kRolesHead) + R"(
g (int32[b, s] ids, int32[b, s] kinds, int32[b, s] seen) => (float[b, s, 8] z)
<float[64, 8] words, float[32, 8] places, float[2, 8] segments, float[8] gain, float[8] bias,
 float[8, 24] w, float[24] wb> {
  [embed] x, index = com.microsoft.EmbedLayerNormalization(ids, kinds, words, places, segments,
                                                           gain, bias, seen)
  z = com.microsoft.Attention<num_heads = 2>(x, w, wb, index)
})");
  EXPECT_EQ(At("embed").role, Role::kEmbedding);
  EXPECT_TRUE(At("embed").Is(Role::kNorm));
  EXPECT_EQ(ValueRole("seen"), Role::kMask);
  EXPECT_EQ(ValueRole("ids"), Role::kNone);
}

}  // namespace
}  // namespace onnxquant
