#include "lib/analysis/residual_stream.h"

#include <map>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kHead[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
)";

class ResidualStreamTest : public ::testing::Test {
 protected:
  void Find(const std::string& text) {
    model_ = ParseModel(kHead + text);
    auto graph = Graph::Build(model_, "m.onnx");
    ASSERT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
    const auto types = InferTypes(*graph_, "m.onnx");
    ASSERT_TRUE(types.ok()) << types.status();
    uses_ = FindWeightUses(*graph_, *types);
    stream_ = FindResidualStream(*graph_, *types, FindRoles(*graph_), uses_);
  }

  // Name of the constant → degree; "gain@norm" where the node has a name.
  std::map<std::string, int> Constants() const {
    std::map<std::string, int> constants;
    for (const auto& constant : stream_.constants) {
      const WeightUse& use = uses_[constant.use];
      const std::string& node = graph_->node(use.reader.node).proto->name();
      constants[graph_->value(use.weight).name + (node.empty() ? "" : "@" + node)] =
          constant.degree;
    }
    return constants;
  }

  std::vector<std::string> Values() const {
    std::vector<std::string> names;
    for (const ValueId value : stream_.values) names.push_back(graph_->value(value).name);
    return names;
  }

  std::vector<std::string> Norms() const {
    std::vector<std::string> names;
    for (const auto& norm : stream_.norms) {
      names.push_back(graph_->value(graph_->node(norm.node).outputs[0]).name);
    }
    return names;
  }

  std::vector<std::string> Multiplied() const {
    std::vector<std::string> names;
    for (const Use& use : stream_.multiplied) {
      const Node& node = graph_->node(use.node);
      names.push_back(graph_->value(node.inputs[static_cast<std::size_t>(use.input)]).name);
    }
    return names;
  }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
  std::vector<WeightUse> uses_;
  ResidualStream stream_;
};

// Two branches that end in norms; the head shares the embedding's table.
constexpr char kGemma[] = R"(g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 8] table, float scale, float[8] gain, float[8] last, float[8, 8] w0, float[8, 8] w1> {
  e = Gather(table, ids)
  x0 = Mul(e, scale)
  [pre0] a0 = SimplifiedLayerNormalization<epsilon = 1e-6>(x0, gain)
  b0 = MatMul(a0, w0)
  [post0] c0 = SimplifiedLayerNormalization<epsilon = 1e-6>(b0, gain)
  x1 = Add(x0, c0)
  [pre1] a1 = SimplifiedLayerNormalization<epsilon = 1e-6>(x1, gain)
  b1 = MatMul(a1, w1)
  [post1] c1 = SimplifiedLayerNormalization<epsilon = 1e-6>(b1, gain)
  x2 = Add(x1, c1)
  n = SimplifiedLayerNormalization<epsilon = 1e-6>(x2, last)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(n, head)
})";

TEST_F(ResidualStreamTest, ScalesTheGainsOfPostNormsAndTheConstantBehindATiedEmbedding) {
  Find(kGemma);
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Values(), ElementsAre("x0", "c0", "x1", "c1", "x2"));
  EXPECT_THAT(Constants(),
              UnorderedElementsAre(Pair("scale", 1), Pair("gain@post0", 1), Pair("gain@post1", 1)));
  EXPECT_THAT(Norms(), ElementsAre("a0", "a1", "n"));
  EXPECT_THAT(Multiplied(), IsEmpty());
  EXPECT_EQ(stream_.width, 8);
}

TEST_F(ResidualStreamTest, ScalesTheLastProjectionsWhereThereAreNoPostNorms) {
  Find(R"(g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 8] table, float[8] gain, float[8, 8] wv, float[8, 8] wo, float[8] bo, float[8, 16] up,
 float[16, 8] down, float[8, 64] head> {
  x0 = Gather(table, ids)
  a0 = SimplifiedLayerNormalization(x0, gain)
  v = MatMul(a0, wv)
  o = MatMul(v, wo)
  biased = Add(o, bo)
  x1 = Add(x0, biased)
  a1 = SimplifiedLayerNormalization(x1, gain)
  u = MatMul(a1, up)
  d = MatMul(u, down)
  x2 = Add(x1, d)
  n = SimplifiedLayerNormalization(x2, gain)
  logits = MatMul(n, head)
})");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Constants(), UnorderedElementsAre(Pair("table", 1), Pair("wo", 1), Pair("bo", 1),
                                                Pair("down", 1)));
  EXPECT_THAT(Norms(), ElementsAre("a0", "a1", "n"));
}

TEST_F(ResidualStreamTest, PutsAMulBehindATiedEmbeddingThatNothingScales) {
  Find(R"(g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 8] table, float[8] gain, float[8, 8] w> {
  x0 = Gather(table, ids)
  a0 = SimplifiedLayerNormalization(x0, gain)
  d = MatMul(a0, w)
  x1 = Add(x0, d)
  n = SimplifiedLayerNormalization(x1, gain)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(n, head)
})");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Multiplied(), ElementsAre("x0"));
  EXPECT_THAT(Constants(), UnorderedElementsAre(Pair("w", 1)));
  EXPECT_THAT(Norms(), ElementsAre("n"));  // the first norm reads the embedding unscaled
}

TEST_F(ResidualStreamTest, FollowsADecomposedNormByItsAlgebra) {
  Find(R"(g (int64[b, s] ids, float[b, s, 8] unused) => (float[b, s, 64] logits)
<float[64, 8] table, float scale, float[8, 8] w, float[8] gain, float eps = {1e-6}, float two = {2.0},
 int64[1] axis = {-1}, float[8, 64] head> {
  e = Gather(table, ids)
  x0 = Mul(e, scale)
  d = MatMul(x0, w)
  r = Relu(d)
  m = MatMul(r, w)
  x1 = Add(x0, m)
  square = Pow(x1, two)
  mean = ReduceMean(square, axis)
  shifted = Add(mean, eps)
  root = Sqrt(shifted)
  inverse = Reciprocal(root)
  normed = Mul(x1, inverse)
  gained = Mul(normed, gain)
  logits = MatMul(gained, head)
})");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Constants(), UnorderedElementsAre(Pair("w", 1), Pair("eps", 2)));
  EXPECT_THAT(Multiplied(), ElementsAre("x0"));  // the branch's MatMul reads the embedding too
  std::vector<std::string> chain;
  for (const NodeId id : stream_.chains) {
    chain.push_back(graph_->value(graph_->node(id).outputs[0]).name);
  }
  EXPECT_THAT(chain, ElementsAre("square", "mean", "shifted", "root", "inverse", "normed"));
}

TEST_F(ResidualStreamTest, RefusesPowersThatNoNumberBears) {
  std::string text = kGemma;
  text.replace(text.find("float scale,"), 12, "float scale, float huge = {1e30},");
  text.replace(text.find("  [pre1]"), 8, "  p = Pow(x1, huge)\n  [pre1]");
  text.replace(text.find("(float[b, s, 64] logits)"), 24,
               "(float[b, s, 64] logits, float[b, s, 8] p)");
  Find(text);
  EXPECT_THAT(stream_.refusal, HasSubstr("raises to a very high power"));
}

TEST_F(ResidualStreamTest, ScalesBothSidesOfSkipNormsAndTheirBias) {
  Find(R"(g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 8] table, float[8] gain, float[8] beta, float[8, 8] w0, float[8] bias, float[8, 8] w1,
 float[8, 64] head> {
  x0 = Gather(table, ids)
  a0 = LayerNormalization(x0, gain, beta)
  d0 = MatMul(a0, w0)
  a1, "", "", x1 = com.microsoft.SkipLayerNormalization(x0, d0, gain, beta, bias)
  d1 = MatMul(a1, w1)
  a2, "", "", x2 = com.microsoft.SkipLayerNormalization(x1, d1, gain, beta)
  logits = MatMul(a2, head)
})");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Constants(), UnorderedElementsAre(Pair("table", 1), Pair("w0", 1), Pair("bias", 1),
                                                Pair("w1", 1)));
  EXPECT_THAT(Norms(), ElementsAre("a0", "a1", "a2"));
}

TEST_F(ResidualStreamTest, ScalesTheScalesAndBiasOfFourBitWeights) {
  Find(R"(g (int64[b, s] ids) => (float[b, s, 64] logits)
<float[64, 32] table, float[32] gain, uint8[32, 1, 16] q, float[32] scales, float[32] bias,
 float[32, 64] head> {
  x0 = Gather(table, ids)
  a0 = SimplifiedLayerNormalization(x0, gain)
  d0 = com.microsoft.MatMulNBits<K = 32, N = 32, bits = 4, block_size = 32>(a0, q, scales, "", "", bias)
  x1 = Add(x0, d0)
  n = SimplifiedLayerNormalization(x1, gain)
  logits = MatMul(n, head)
})");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Constants(),
              UnorderedElementsAre(Pair("table", 1), Pair("scales", 1), Pair("bias", 1)));
}

// One layer whose sum `x1` goes on to what `tail` says.
std::string OneLayer(const std::string& outputs, const std::string& tail) {
  return "g (int64[b, s] ids) => (" + outputs + R"()
<float[64, 8] table, float[8] gain, float[8, 8] w, float[8, 64] head> {
  x0 = Gather(table, ids)
  a0 = LayerNormalization(x0, gain)
  d0 = MatMul(a0, w)
  x1 = Add(x0, d0)
)" + tail +
         "}";
}

TEST_F(ResidualStreamTest, FollowsTheStreamThroughWhatMovesIt) {
  Find(OneLayer("float[b, s, 64] logits", R"(
  [squeeze] r = Identity(x1)
  n = LayerNormalization(r, gain)
  logits = MatMul(n, head)
)"));
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Norms(), ElementsAre("a0", "n"));
}

TEST_F(ResidualStreamTest, RefusesAStreamThatAMatMulReads) {
  Find(OneLayer("float[b, s, 64] logits", "  [out] logits = MatMul(x1, head)\n"));
  EXPECT_THAT(stream_.refusal,
              HasSubstr("'x1' of the residual stream is read by node 'out' (MatMul)"));
  EXPECT_THAT(stream_.refusal, HasSubstr("is no normalization"));
}

TEST_F(ResidualStreamTest, RefusesAStreamThatIsAGraphOutput) {
  Find(OneLayer("float[b, s, 8] x1", ""));
  EXPECT_THAT(stream_.refusal, HasSubstr("'x1' of the residual stream is an output of the graph"));
}

TEST_F(ResidualStreamTest, RefusesANormThatHandsOutItsMean) {
  Find(OneLayer("float[b, s, 64] logits, float[b, s, 1] mean", R"(
  n, mean = LayerNormalization(x1, gain)
  logits = MatMul(n, head)
)"));
  EXPECT_THAT(stream_.refusal, HasSubstr("hands out its mean"));
}

TEST_F(ResidualStreamTest, RefusesABodyThatTakesTheStreamIn) {
  Find(R"(g (int64[b, s] ids, bool flag) => (float[b, s, 8] y)
<float[64, 8] table, float[8] gain, float[8, 8] w> {
  x0 = Gather(table, ids)
  a0 = LayerNormalization(x0, gain)
  d0 = MatMul(a0, w)
  x1 = Add(x0, d0)
  y = If(flag) <
    then_branch = t () => (float[b, s, 8] t0) { t0 = MatMul(x1, w) },
    else_branch = f () => (float[b, s, 8] f0) { f0 = LayerNormalization(x1, gain) }>
})");
  EXPECT_THAT(stream_.refusal, HasSubstr("'x1' of the residual stream is read by"));
  EXPECT_THAT(stream_.refusal, HasSubstr("MatMul"));
}

TEST_F(ResidualStreamTest, PutsAMulBehindABranchThatIsTooLongToFollow) {
  std::string text = R"(g (int64[b, s] ids) => (float[b, s, 8] y)
<float[64, 8] table, float[8] gain, float[8, 8] w> {
  x0 = Gather(table, ids)
  a0 = LayerNormalization(x0, gain)
  d0 = MatMul(a0, w)
)";
  constexpr int kLong = 20000;
  for (int i = 1; i <= kLong; ++i) {
    text += "  d" + std::to_string(i) + " = Identity(d" + std::to_string(i - 1) + ")\n";
  }
  Find(text + "  x1 = Add(x0, d" + std::to_string(kLong) +
       ")\n  y = LayerNormalization(x1, gain)\n}");
  EXPECT_THAT(stream_.refusal, HasSubstr("no residual Add"));  // nor is its role found
  text.resize(text.find("  d40 = "));
  Find(text + "  x1 = Add(x0, d39)\n  y = LayerNormalization(x1, gain)\n}");
  EXPECT_THAT(stream_.refusal, IsEmpty());
  EXPECT_THAT(Multiplied(), ElementsAre("d39"));
}

TEST_F(ResidualStreamTest, RefusesAModelWithoutResidualAdds) {
  Find(R"(g (float[2, 8] x) => (float[2, 8] y) <float[8, 8] w> { y = MatMul(x, w) })");
  EXPECT_THAT(stream_.refusal, HasSubstr("no residual Add"));
}

// As in a model that does not import the domain, of whose nodes no schema is known.
TEST_F(ResidualStreamTest, WhatReadsNothingEntersThroughAMul) {
  Find(R"(g (float[2, 8] x, float[8] gamma) => (float[2, 8] z) {
  c = Identity()
  z = com.microsoft.SkipSimplifiedLayerNormalization(x, c, gamma)
})");
  EXPECT_THAT(Values(), IsEmpty());
  EXPECT_THAT(stream_.multiplied, Not(IsEmpty()));
}

}  // namespace
}  // namespace onnxquant
