#include "lib/model/sort_nodes.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Operators(const onnx::GraphProto& graph) {
  std::vector<std::string> names;
  for (const onnx::NodeProto& node : graph.node()) names.push_back(node.op_type());
  return names;
}

TEST(SortNodes, LeavesSortedNodesAlone) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { b = Exp(x) a = Neg(x) y = Add(a, b) })");
  EXPECT_FALSE(SortNodes(*model.mutable_graph()));
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Exp", "Neg", "Add"));
}

TEST(SortNodes, PutsProducersFirstAndKeepsTheRestInPlace) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y, float[4] z) { y = Add(a, b) z = Sqrt(x) a = Neg(b) b = Exp(x) })");
  EXPECT_TRUE(SortNodes(*model.mutable_graph()));
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Sqrt", "Exp", "Neg", "Add"));
}

TEST(SortNodes, CountsWhatABodyReadsAndSortsTheBody) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  z = If(c) <
    then_branch = t () => (float[4] a) { a = Sqrt(d) d = Abs(read) },
    else_branch = e () => (float[4] b) { b = Sin(x) }
  >
  read = Exp(x)
})");
  EXPECT_TRUE(SortNodes(*model.mutable_graph()));
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Exp", "If"));
  EXPECT_THAT(Operators(model.graph().node(1).attribute(0).g()), ElementsAre("Abs", "Sqrt"));
}

TEST(SortNodes, LeavesACycleToWhoeverRefusesIt) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { y = Add(a, x) a = Neg(b) b = Exp(a) })");
  EXPECT_FALSE(SortNodes(*model.mutable_graph()));
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Add", "Neg", "Exp"));
}

}  // namespace
}  // namespace onnxquant
