#include "lib/model/remove_unread.h"

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

TEST(RemoveUnread, DropsChainsThatLeadNowhere) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { a = Exp(x) b = Neg(a) y = Sqrt(x) })");
  EXPECT_EQ(RemoveUnread(*model.mutable_graph()), 2U);
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Sqrt"));
}

TEST(RemoveUnread, KeepsWhatIsReadLaterInAnyOrder) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { y = Neg(a) a = Exp(b) b = Sqrt(x) })");
  EXPECT_EQ(RemoveUnread(*model.mutable_graph()), 0U);
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Neg", "Exp", "Sqrt"));
}

TEST(RemoveUnread, LeavesAValueThatIsDefinedTwiceToWhoeverRefusesIt) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { a = Exp(x) a = Neg(x) y = Sqrt(x) })");
  EXPECT_EQ(RemoveUnread(*model.mutable_graph()), 0U);
  EXPECT_EQ(model.graph().node_size(), 3);
}

TEST(RemoveUnread, KeepsANodeOfWhichOneOutputIsRead) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[2] y) { y, z = Split<num_outputs = 2>(x) })");
  EXPECT_EQ(RemoveUnread(*model.mutable_graph()), 0U);
}

TEST(RemoveUnread, KeepsWhatABodyCapturesUnlessNothingInTheBodyReadsIt) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  read = Exp(x)
  unread = Neg(x)
  z = If(c) <
    then_branch = t () => (float[4] a) { a = Sqrt(read) },
    else_branch = e () => (float[4] b) { d = Abs(unread) b = Sin(x) }
  >
})");
  EXPECT_EQ(RemoveUnread(*model.mutable_graph()), 2U);
  EXPECT_THAT(Operators(model.graph()), ElementsAre("Exp", "If"));
}

}  // namespace
}  // namespace onnxquant
