#include "lib/gradient/gradient.h"

#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "tests/gradient/graph_of.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<GradientModel> Build(const ParsedGraph& parsed, const GradientTask& task) {
  return BuildGradient(parsed.graph, parsed.types, task, "m.onnx");
}

std::string Refusal(const ParsedGraph& parsed) {
  const auto made = Build(parsed, {.targets = {"h"}, .values = {}, .caches = {}});
  EXPECT_EQ(KindOf(made.status()), ErrorKind::kModel);
  return std::string(made.status().message());
}

std::vector<std::string> InputsOf(const onnx::ModelProto& model) {
  std::vector<std::string> names;
  for (const auto& input : model.graph().input()) names.push_back(input.name());
  return names;
}

std::vector<std::string> OpsOf(const onnx::ModelProto& model) {
  std::vector<std::string> ops;
  for (const auto& node : model.graph().node()) ops.push_back(node.op_type());
  return ops;
}

TEST(Gradient, IsAModelThatReadsLabelsToo) {
  const ParsedGraph parsed = LanguageModel("dead = Exp(h)\n  y = Tanh(h)");
  const auto made =
      Build(parsed, {.targets = {"y", "h", "dead"}, .values = {"y", "input_ids"}, .caches = {}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(InputsOf(made->model), ElementsAre("input_ids", "labels"));
  EXPECT_EQ(made->labels, "labels");
  EXPECT_EQ(made->gradients.size(), 3U);
  EXPECT_EQ(made->gradients[2], "");
  EXPECT_EQ(made->values[0], "y");
  EXPECT_NE(made->values[1], "input_ids");  // which no node makes
  EXPECT_THAT(OpsOf(made->model), Not(Contains("Exp")));
  const auto graph = Graph::Build(made->model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  for (const std::string& name : made->gradients) {
    if (name.empty()) continue;
    EXPECT_NE(graph->Find(kMainScope, name), kNone) << name;
  }
}

TEST(Gradient, AddsUpWhatAllReadersGive) {
  const ParsedGraph parsed = LanguageModel("a = Tanh(h)\n  b = Exp(h)\n  y = Add(a, b)");
  const auto made = Build(parsed, {.targets = {"h"}, .values = {}, .caches = {}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(OpsOf(made->model), Contains("Sum"));
}

TEST(Gradient, ReadsASharedTableAsItLies) {
  const ParsedGraph parsed = GraphOf(R"(<ir_version: 8, opset_import: ["" : 21]>
g (int64[b, s] input_ids) => (float[b, s, 9] logits) <float[9, 8] table> {
  h = Gather(table, input_ids)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(h, head)
})");
  const auto made = Build(parsed, {.targets = {"h"}, .values = {}, .caches = {}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(OpsOf(made->model), Not(Contains("Transpose")));
  EXPECT_THAT(OpsOf(made->model), Contains("FusedMatMul"));
  bool imported = false;
  for (const auto& import : made->model.opset_import()) {
    imported |= import.domain() == "com.microsoft";
  }
  EXPECT_TRUE(imported);
}

TEST(Gradient, DropsTheCachesOfAttention) {
  const ParsedGraph parsed =
      GraphOf(R"(<ir_version: 8, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int64[b, s] input_ids, float[b, 1, p, 8] past_key, float[b, 1, p, 8] past_value)
  => (float[b, s, 9] logits, float[b, 1, t, 8] present_key, float[b, 1, t, 8] present_value)
<float[9, 8] table, float[8, 9] head, int64[1] n> {
  h = Gather(table, input_ids)
  i = Cast<to = 6>(n)
  y, present_key, present_value = com.microsoft.GroupQueryAttention
    <num_heads = 1, kv_num_heads = 1>(h, h, h, past_key, past_value, i, i)
  logits = MatMul(y, head)
})");
  const auto made = Build(parsed, {.targets = {"h"}, .values = {}, .caches = {}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(InputsOf(made->model), ElementsAre("input_ids", "labels"));
  // Before the target attention stays as it is, and gives its caches.
  const auto later =
      Build(parsed, {.targets = {"y"},
                     .values = {},
                     .caches = {{"past_key", "present_key"}, {"past_value", "present_value"}}});
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_THAT(InputsOf(later->model), ElementsAre("input_ids", "past_key", "past_value", "labels"));
  EXPECT_THAT(OpsOf(later->model), Contains("GroupQueryAttention"));
  std::vector<std::string> outputs;
  for (const auto& output : later->model.graph().output()) outputs.push_back(output.name());
  EXPECT_THAT(outputs, Contains("present_key"));
  EXPECT_THAT(outputs, Contains("present_value"));
}

TEST(Gradient, IsRefusedWhereAnOperatorHasNoRule) {
  EXPECT_THAT(
      Refusal(LanguageModel("y = Selu(h)")),
      HasSubstr("m.onnx: the unnamed Selu node that makes 'y' has no gradient: its operator "
                "has no rule"));
}

TEST(Gradient, MindsNoOperatorsBesideThePath) {
  const ParsedGraph parsed = LanguageModel("a = Selu(scale)\n  y = Mul(h, a)", ", float[8] scale");
  EXPECT_TRUE(Build(parsed, {.targets = {"h"}, .values = {}, .caches = {}}).ok());
}

TEST(Gradient, IsRefusedInBodies) {
  EXPECT_THAT(Refusal(LanguageModel(R"(c = Equal(n, n)
  y = If(c) <
    then_branch = t () => (float[b, s, 8] p) { p = Tanh(h) },
    else_branch = e () => (float[b, s, 8] q) { q = Exp(h) }
  >)",
                                    ", int64[1] n")),
              HasSubstr("it stands in the body of another node"));
}

TEST(Gradient, IsRefusedInOtherArithmeticThanFloat32) {
  EXPECT_THAT(Refusal(LanguageModel("a = Cast<to = 10>(h)\n  b = Tanh(a)\n  y = Cast<to = 1>(b)")),
              HasSubstr("it gives float16; gradients are computed in float32"));
}

TEST(Gradient, IsRefusedForOldOpsetsAndModelsWithoutLogits) {
  EXPECT_THAT(Refusal(LanguageModel("y = Tanh(h)", "", 12)),
              HasSubstr("is of opset 12; gradients take 13 or more"));
  const ParsedGraph parsed = LanguageModel("y = Tanh(h)");
  const auto made =
      Build(parsed, {.logits = "scores", .targets = {"h"}, .values = {}, .caches = {}});
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("has no output 'scores' of float32"));
}

}  // namespace
}  // namespace onnxquant
