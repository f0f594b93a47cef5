#include "lib/rewrite/sealed_nodes.h"

#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

class SealedNodesTest : public RewriteFixture {};

onnx::GraphProto Named(const std::vector<std::string>& names) {
  onnx::GraphProto graph;
  for (const std::string& name : names) graph.add_node()->set_name(name);
  return graph;
}

std::vector<std::string> Names(const SealedNodes& nodes) {
  std::vector<std::string> names;
  nodes.ForEach([&names](const onnx::NodeProto& node) { names.push_back(node.name()); });
  return names;
}

TEST(SealedNodes, AreTheFieldsOfASerializedGraph) {
  const std::string longer(300, 'n');  // whose length takes two bytes
  onnx::GraphProto first = Named({"a", longer});
  onnx::GraphProto second = Named({"c"});
  SealedNodes nodes;
  EXPECT_TRUE(nodes.empty());
  nodes.Take(first);
  nodes.Take(second);
  EXPECT_EQ(first.node_size() + second.node_size(), 0);
  EXPECT_THAT(Names(nodes), ElementsAre("a", longer, "c"));
  EXPECT_EQ(std::move(nodes).Fields(), Named({"a", longer, "c"}).SerializeAsString());
}

TEST(SealedNodes, AreAskedForFromTheLastToTheFirst) {
  onnx::GraphProto graph = Named({"a", std::string(200, 'b'), "c", "d"});
  SealedNodes nodes;
  nodes.Take(graph);
  std::string asked;
  nodes.FilterBackwards([&asked](const onnx::NodeProto& node) {
    asked += node.name()[0];
    return node.name() != "a" && node.name() != "c";
  });
  EXPECT_EQ(asked, "dcba");
  EXPECT_THAT(Names(nodes), ElementsAre(std::string(200, 'b'), "d"));
}

// With casts, a Transpose that nothing reads any more, an unread Constant and declared values.
TEST_F(SealedNodesTest, MakeTheSameModelHoweverManyAreSealed) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x, bool c) => (float[2, 32] z) <float[32, 32] w, float[2, 32] y, float[2, 32] v> {
  k = Constant<value = float[1] {2}>()
  t = Transpose<perm = [1, 0]>(w)
  y = MatMul(x, t)
  u = If(c) <then_branch = g1 () => (float[2, 32] a) { a = Sqrt(y) },
             else_branch = g2 () => (float[2, 32] b) { b = Mul(y, k) }>
  v = Exp(u)
  z = Add(v, y)
})");
  for (const char* yaml :
       {"outputs:\n  q4f16: {compute: float16, weights: {format: int4}, io: float32}\n"
        "rules:\n  - {match: {op: [Exp, Sqrt]}, compute: float32}\n",
        "outputs:\n  fp16: {compute: float16, weights: float16, io: float16}\n"}) {
    const Rewritten whole = Run(yaml);
    EXPECT_EQ(whole.sealed_nodes, "");
    for (const int at_once : {1, 2, 5}) {
      const auto sealed = Rewrite(*model_, *analysis_, plan_, at_once);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      EXPECT_NE(sealed->sealed_nodes, "");
      // Serialized messages that follow one another are one.
      onnx::GraphProto joined;
      ASSERT_TRUE(
          joined.ParseFromString(sealed->sealed_nodes + sealed->model.graph().SerializeAsString()));
      EXPECT_EQ(joined.SerializeAsString(), whole.model.graph().SerializeAsString());
      EXPECT_EQ(sealed->bytes, whole.bytes);
      EXPECT_EQ(sealed->jobs.size(), whole.jobs.size());
    }
  }
}

}  // namespace
}  // namespace onnxquant
