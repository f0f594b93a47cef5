#include "lib/graph/graph.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(const onnx::ModelProto& model) {
  const auto graph = Graph::Build(model, "m.onnx");
  if (graph.ok()) return "accepted";
  EXPECT_EQ(KindOf(graph.status()), ErrorKind::kModel);
  return std::string(graph.status().message());
}

constexpr char kChain[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) <float[4] w = {1, 2, 3, 4}> {
  y = Add(x, w)
  z = Mul(y, x)
})";

TEST(Graph, KnowsProducersAndUses) {
  const onnx::ModelProto model = ParseModel(kChain);
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  const ValueId x = graph->Find(kMainScope, "x");
  const ValueId y = graph->Find(kMainScope, "y");
  EXPECT_TRUE(graph->value(x).graph_input);
  EXPECT_THAT(graph->value(x).uses, ElementsAre(Use{0, 0}, Use{1, 1}));
  EXPECT_EQ(graph->value(y).producer, 0);
  EXPECT_EQ(graph->ProducerOf(1, 0), 0);
  EXPECT_EQ(graph->ProducerOf(1, 1), kNone);
  EXPECT_NE(graph->value(graph->Find(kMainScope, "w")).initializer, nullptr);
  EXPECT_TRUE(graph->value(graph->Find(kMainScope, "z")).graph_output);
  EXPECT_EQ(graph->Find(kMainScope, "nothing"), kNone);
}

TEST(Graph, SortsNodesThatStandOutOfOrder) {
  onnx::ModelProto model = ParseModel(kChain);
  model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(graph->order(), ElementsAre(1, 0));
}

constexpr char kIf[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  late = Neg(x)
  z = If(c) <
    then_branch = t () => (float[4] a) { a = Abs(late) },
    else_branch = e () => (float[4] b) { b = Add(x, late) }
  >
})";

TEST(Graph, SeesWhatSubgraphsCapture) {
  const onnx::ModelProto model = ParseModel(kIf);
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->scopes().size(), 3U);
  EXPECT_EQ(graph->scopes()[1].parent, kMainScope);
  EXPECT_EQ(graph->scopes()[1].owner, 1);
  EXPECT_EQ(graph->value(graph->Find(kMainScope, "late")).uses.size(), 2U);
  EXPECT_EQ(graph->Find(1, "late"), graph->Find(kMainScope, "late"));
}

TEST(Graph, ListsTheBodiesOfEachNodeInTheirOrder) {
  const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  y = If(c) <
    then_branch = t () => (float[4] a) {
      a = If(c) <
        then_branch = tt () => (float[4] p) { p = Abs(x) },
        else_branch = te () => (float[4] q) { q = Neg(x) }
      >
    },
    else_branch = e () => (float[4] b) { b = Exp(x) }
  >
  z = Abs(y)
})");
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  const auto names = [&graph](NodeId id) {
    std::vector<std::string> found;
    for (const ScopeId body : graph->node(id).bodies) {
      EXPECT_EQ(graph->scope(body).owner, id);
      found.push_back(graph->scope(body).graph->name());
    }
    return found;
  };
  EXPECT_THAT(names(0), ElementsAre("t", "e"));
  EXPECT_THAT(names(1), ElementsAre("tt", "te"));
  EXPECT_THAT(names(graph->order(kMainScope).back()), ElementsAre());
}

TEST(Graph, StaysWholeWhenItIsMoved) {
  const onnx::ModelProto model = ParseModel(kIf);
  auto built = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(built.ok()) << built.status();
  const Graph graph = *std::move(built);
  const ValueId late = graph.Find(2, "late");
  ASSERT_NE(late, kNone);
  EXPECT_EQ(graph.value(late).name, "late");
  EXPECT_EQ(&graph.value(late).name, &model.graph().node(0).output(0));
  EXPECT_EQ(graph.value(late).uses.size(), 2U);
  EXPECT_THAT(graph.node(0).outputs, ElementsAre(late));
  EXPECT_THAT(graph.node(1).bodies, ElementsAre(1, 2));
}

TEST(Graph, LeavesOutWhatIsOmitted) {
  const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x, float high) => (float[4] z) {
  y = Clip(x, "", high)
  z = Abs(y)
})");
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(graph->node(0).inputs, ElementsAre(0, kNone, 1));
  EXPECT_THAT(graph->value(1).uses, ElementsAre(Use{0, 2}));
}

TEST(Graph, SortsANodeAfterWhatItsBodiesCapture) {
  onnx::ModelProto model = ParseModel(kIf);
  model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->OpName(graph->order().front()), "Neg");
}

TEST(Graph, KnowsOperatorsByDomainAndType) {
  const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21,
      "ai.onnx" : 21, "com.microsoft" : 1, "mine" : 1]>
    g (float[4] x) => (float[4] e) {
      a = Relu(x)  b = ai.onnx.Relu(a)  c = com.microsoft.Gelu(b)  d = mine.Relu(c)  e = Relu(d)
    })");
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<std::string> names;
  std::string kinds;
  for (const NodeId id : graph->order()) {
    const Operator& op = graph->OperatorOf(id);
    names.push_back(op.name + " " + op.type);
    kinds += op.onnx ? "o" : op.microsoft ? "m" : "-";
  }
  EXPECT_THAT(names, ElementsAre("Relu Relu", "Relu Relu", "com.microsoft::Gelu Gelu",
                                 "mine::Relu Relu", "Relu Relu"));
  EXPECT_EQ(kinds, "oom-o");
}

TEST(Graph, RefusesACycle) {
  onnx::ModelProto model = ParseModel(kChain);
  model.mutable_graph()->mutable_node(0)->set_input(0, "z");
  model.mutable_graph()->mutable_node(0)->set_name("first");
  EXPECT_THAT(ErrorOf(model),
              HasSubstr("m.onnx: the graph has a cycle through node 'first' (Add)"));
}

TEST(Graph, RefusesAValueThatIsDefinedTwice) {
  onnx::ModelProto model = ParseModel(kChain);
  model.mutable_graph()->mutable_node(1)->set_output(0, "y");
  EXPECT_THAT(ErrorOf(model), HasSubstr("value 'y' is defined twice"));
}

TEST(Graph, RefusesTwoInitializersOfOneName) {
  onnx::ModelProto model = ParseModel(kChain);
  *model.mutable_graph()->add_initializer() = model.graph().initializer(0);
  EXPECT_THAT(ErrorOf(model),
              HasSubstr("value 'w' is defined twice, the second time as initializer"));
}

TEST(Graph, AcceptsAnInitializerThatIsAGraphInputsDefault) {
  onnx::ModelProto model = ParseModel(kChain);
  onnx::ValueInfoProto* input = model.mutable_graph()->add_input();
  *input = model.graph().input(0);
  input->set_name("w");
  EXPECT_EQ(ErrorOf(model), "accepted");
}

TEST(Graph, RefusesAReadOfNothing) {
  onnx::ModelProto model = ParseModel(kChain);
  model.mutable_graph()->mutable_node(1)->set_input(1, "ghost");
  EXPECT_THAT(ErrorOf(model), HasSubstr("the unnamed Mul node that makes 'z' reads 'ghost'"));
}

TEST(Graph, RefusesAnOutputThatNothingComputes) {
  onnx::ModelProto model = ParseModel(kChain);
  model.mutable_graph()->mutable_output(0)->set_name("ghost");
  EXPECT_THAT(ErrorOf(model), HasSubstr("graph output 'ghost' is never computed"));
}

}  // namespace
}  // namespace onnxquant
