#include "lib/gradient/expand.h"

#include "gmock/gmock.h"
#include "lib/gradient/gradient.h"
#include "tests/gradient/graph_of.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& nodes, const std::string& declared = "") {
  const ParsedGraph parsed = LanguageModel(nodes, declared);
  GradientTask task;
  task.targets = {"h"};
  const auto made = BuildGradient(parsed.graph, parsed.types, task, "m.onnx");
  return made.ok() ? "it was built" : std::string(made.status().message());
}

TEST(Expand, KnowsFusedOperatorsAlone) {
  EXPECT_NE(FindExpansion("Gelu"), nullptr);
  EXPECT_NE(FindExpansion("com.microsoft::GroupQueryAttention"), nullptr);
  EXPECT_EQ(FindExpansion("Add"), nullptr);
  EXPECT_EQ(FindExpansion("com.microsoft::Add"), nullptr);
}

TEST(Expand, RefusesNormsThatAreMoreThanThat) {
  EXPECT_THAT(Refusal("y = LayerNormalization<axis = 1>(h, scale)", ", float[5, 8] scale"),
              HasSubstr("it normalizes over other axes than the last"));
  EXPECT_THAT(Refusal("a, m = LayerNormalization(h, scale)\n  y = Mul(a, m)", ", float[8] scale"),
              HasSubstr("its mean or deviation is read"));
  EXPECT_THAT(Refusal("y = LayerNormalization<axis = 2>(h, scale)", ", float[8] scale"),
              HasSubstr("it was built"));
}

std::string Attention(const std::string& attributes, const std::string& inputs,
                      const std::string& more = "") {
  return "i = Cast<to = 6>(n)\n  o, pk, pv = com.microsoft.GroupQueryAttention<" + attributes +
         ">(" + inputs + ")\n  " + (more.empty() ? "y = Identity(o)" : more);
}

TEST(Expand, RefusesAttentionThatItDoesNotKnow) {
  const std::string n = ", int64[1] n, float[2] sink, float[16, 4] turns";
  const std::string heads = "num_heads = 2, kv_num_heads = 2";
  const std::string qkv = "h, h, h, , , i, i";
  EXPECT_THAT(Refusal(Attention(heads, qkv), n), HasSubstr("it was built"));
  EXPECT_THAT(Refusal(Attention(heads, "h, , , , , i, i"), n), HasSubstr("are packed"));
  EXPECT_THAT(Refusal(Attention(heads, qkv + ", , , , , sink"), n), HasSubstr("it has sinks"));
  EXPECT_THAT(Refusal(Attention(heads + ", smooth_softmax = 1", qkv), n), HasSubstr("is smoothed"));
  EXPECT_THAT(Refusal(Attention(heads + ", do_rotary = 1", qkv), n),
              HasSubstr("its tables of rotary embeddings are no constants"));
  EXPECT_THAT(Refusal(Attention("num_heads = 3, kv_num_heads = 2", qkv), n),
              HasSubstr("its heads are no whole groups"));
  EXPECT_THAT(Refusal(Attention(heads, qkv, "f = ReduceSum(pk)\n  y = Mul(o, f)"), n),
              HasSubstr("its keys and values are read by other nodes"));
}

TEST(Expand, RefusesRotationsWhoseHeadsItCannotTell) {
  const std::string tables = ", int64[1, 5] at, float[16, 2] c";
  EXPECT_THAT(Refusal("y = com.microsoft.RotaryEmbedding(h, at, c, c)", tables),
              HasSubstr("it was built"));
  EXPECT_THAT(
      Refusal("y = com.microsoft.RotaryEmbedding<rotary_embedding_dim = 4>(h, at, c, c)", tables),
      HasSubstr("does not say how many heads"));
  EXPECT_THAT(Refusal("c = Neg(d)\n  y = com.microsoft.RotaryEmbedding(h, at, c, c)",
                      ", int64[1, 5] at, float[16, 2] d"),
              HasSubstr("its table of cosines is no constant matrix"));
  EXPECT_THAT(
      Refusal("s = Shape(h)\n  x = Reshape(h, s)\n  y = com.microsoft.RotaryEmbedding(x, at, "
              "c, c)",
              tables),
      HasSubstr("how many dimensions its input has is not known"));
}

}  // namespace
}  // namespace onnxquant
