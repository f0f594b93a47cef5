#include "lib/analysis/rope_caches.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/analysis/types.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RopeCachesTest : public ::testing::Test {
 protected:
  void Find(const std::string& graph) {
    model_ =
        ParseModel("<ir_version: 10, opset_import: [\"\" : 23, \"com.microsoft\" : 1]>\n" + graph);
    auto built = Graph::Build(model_, "m.onnx");
    ASSERT_TRUE(built.ok()) << built.status();
    graph_ = std::make_unique<Graph>(*std::move(built));
    const auto types = InferTypes(*graph_, "m.onnx");
    ASSERT_TRUE(types.ok()) << types.status();
    found_ = FindRopeCaches(*graph_, FindWeightUses(*graph_, *types));
  }

  std::string NameOf(ValueId id) const { return id == kNone ? "none" : graph_->value(id).name; }
  std::vector<std::string> Pairs() const {
    std::vector<std::string> pairs;
    for (const RopeCache& cache : found_.caches) {
      pairs.push_back(NameOf(cache.cosines) + " " + NameOf(cache.sines) + " " +
                      std::to_string(cache.uses.size()));
    }
    return pairs;
  }
  std::vector<std::string> Makers() const {
    std::vector<std::string> ops;
    for (const NodeId id : found_.makers) ops.push_back(graph_->node(id).proto->op_type());
    return ops;
  }

  onnx::ModelProto model_;
  std::unique_ptr<Graph> graph_;
  RopeCaches found_;
};

TEST_F(RopeCachesTest, TablesOfAPairAreFoundWithAllTheirReadings) {
  Find(R"(g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
    <float[16, 4] c, float[16, 4] s, float[16, 4] c2, float[16, 4] s2> {
    a = com.microsoft.RotaryEmbedding(x, at, c, s)
    b = com.microsoft.RotaryEmbedding(a, at, c2, s2)
    y = com.microsoft.RotaryEmbedding(b, at, c, s)
  })");
  EXPECT_THAT(Pairs(), ElementsAre("c s 4", "c2 s2 2"));
  EXPECT_THAT(found_.caches[0].refusal, IsEmpty());
  EXPECT_THAT(found_.cache_of, SizeIs(4));
  EXPECT_THAT(found_.makers, IsEmpty());
}

TEST_F(RopeCachesTest, EveryOperatorThatRotatesHasItsSlots) {
  Find(R"(g (float[b, s, 8] x, float[b, 1, p, 8] past, int64[b, s] at, int32[b] n, int32 t)
      => (float[b, s, 8] y, float[b, s, 8] z)
    <float[16, 4] c, float[16, 4] s, float[16, 4] c2, float[16, 4] s2> {
    y, k, v = com.microsoft.GroupQueryAttention<do_rotary = 1, num_heads = 1, kv_num_heads = 1>(
        x, x, x, past, past, n, t, c, s)
    z = RotaryEmbedding<num_heads = 1>(x, c2, s2, at)
  })");
  EXPECT_THAT(Pairs(), ElementsAre("c s 2", "c2 s2 2"));
}

TEST_F(RopeCachesTest, ATableBehindACastIsOneToo) {
  Find(R"(g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
    <float16[16, 4] c, float16[16, 4] s> {
    c32 = Cast<to = 1>(c)
    s32 = Cast<to = 1>(s)
    y = com.microsoft.RotaryEmbedding(x, at, c32, s32)
  })");
  EXPECT_THAT(Pairs(), ElementsAre("c s 2"));
  EXPECT_THAT(found_.caches[0].refusal, IsEmpty());
}

TEST_F(RopeCachesTest, WhatElseReadsATableIsNamed) {
  Find(R"(g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y, float[b, s, 4] z)
    <float[16, 4] c, float[16, 4] s> {
    y = com.microsoft.RotaryEmbedding(x, at, c, s)
    [look] z = Gather(s, at)
  })");
  EXPECT_EQ(found_.caches[0].refusal,
            "node 'look' (Gather), which is no rotary embedding, reads 's' too");
}

TEST_F(RopeCachesTest, TheShapeOfATableMayBeAsked) {
  Find(R"(g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y, int64[2] z)
    <float[16, 4] c, float[16, 4] s> {
    y = com.microsoft.RotaryEmbedding(x, at, c, s)
    z = Shape(c)
  })");
  EXPECT_THAT(found_.caches[0].refusal, HasSubstr("the unnamed Shape node"));
}

TEST_F(RopeCachesTest, PairsThatDoNotBelongTogetherAreRefused) {
  const auto refusal = [this](const std::string& tables, const std::string& nodes) {
    Find("g (float[b, s, 8] x, float[16, 4] given, int64[b, s] at) => (float[b, s, 8] y)\n<" +
         tables + "> {" + nodes + "}");
    return found_.caches.front().refusal;
  };
  EXPECT_EQ(refusal("float[16, 4] c", "y = com.microsoft.RotaryEmbedding(x, at, c, given)"),
            "the sines that are read beside it are no constant");
  EXPECT_EQ(refusal("float[16, 4] s", "y = com.microsoft.RotaryEmbedding(x, at, given, s)"),
            "the cosines that are read beside it are no constant");
  EXPECT_EQ(refusal("float[16, 4] c", "y = com.microsoft.RotaryEmbedding(x, at, c, c)"),
            "it is read both as cosines and as sines");
  EXPECT_THAT(
      refusal("float[16, 4] c, float[8, 4] s", "y = com.microsoft.RotaryEmbedding(x, at, c, s)"),
      HasSubstr("no two matrices of one shape"));
  EXPECT_THAT(refusal("float[4, 4] c, float[4, 4] s", R"(t = Transpose(s)
                      y = com.microsoft.RotaryEmbedding(x, at, c, t))"),
              HasSubstr("'s' is read transposed"));
  EXPECT_THAT(refusal("float[16, 4] c, float[16, 4] s, float[16, 4] s2",
                      R"(z = com.microsoft.RotaryEmbedding(x, at, c, s)
                      y = com.microsoft.RotaryEmbedding(z, at, c, s2))"),
              HasSubstr("'c' is read beside several tables"));
  EXPECT_THAT(refusal("float[2, 16, 4] c, float[2, 16, 4] s",
                      "y = RotaryEmbedding<num_heads = 1>(x, c, s)"),
              HasSubstr("no two matrices"));
}

TEST_F(RopeCachesTest, NodesThatMakeATableOfConstantsAreFoundWithoutItsCast) {
  Find(R"(g (float16[b, s, 8] x, int64[b, s] at) => (float16[b, s, 8] y)
    <float zero = {0}, float many = {16}, float one = {1}, int64[2] column = {-1, 1},
     float[1, 4] f> {
    p = Range(zero, many, one)
    q = Reshape(p, column)
    a = Mul(q, f)
    c = Cos(a)
    s = Sin(a)
    c16 = Cast<to = 10>(c)
    s16 = Cast<to = 10>(s)
    y = com.microsoft.RotaryEmbedding(x, at, c16, s16)
  })");
  EXPECT_THAT(Pairs(), IsEmpty());
  EXPECT_THAT(Makers(), ElementsAre("Range", "Reshape", "Mul", "Cos", "Sin"));
}

TEST_F(RopeCachesTest, NodesThatReadAnInputMakeNoTable) {
  Find(R"(g (float[b, s, 8] x, int64[b, s] at, float[16, 4] a) => (float[b, s, 8] y) {
    c = Cos(a)
    s = Sin(a)
    y = com.microsoft.RotaryEmbedding(x, at, c, s)
  })");
  EXPECT_THAT(found_.makers, IsEmpty());
}

}  // namespace
}  // namespace onnxquant
