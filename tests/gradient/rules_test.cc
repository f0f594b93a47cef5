#include "lib/gradient/rules.h"

#include <set>

#include "gmock/gmock.h"
#include "lib/gradient/expand.h"
#include "lib/gradient/gradient.h"
#include "tests/gradient/graph_of.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& nodes, const std::string& declared, int opset = 21) {
  const ParsedGraph parsed = LanguageModel(nodes, declared, opset);
  GradientTask task;
  task.targets = {"h"};
  const auto made = BuildGradient(parsed.graph, parsed.types, task, "m.onnx");
  return made.ok() ? "it was built" : std::string(made.status().message());
}

TEST(Rules, AreOneForEachOperator) {
  std::set<absl::string_view> ops;
  for (const auto rules :
       {ArithmeticRules(), FunctionRules(), ProductRules(), ShapeRules(), SelectionRules()}) {
    for (const GradientRule& rule : rules) {
      EXPECT_TRUE(ops.insert(rule.op).second) << rule.op;
      EXPECT_EQ(FindGradientRule(rule.op), &rule);
      EXPECT_EQ(FindExpansion(rule.op), nullptr) << rule.op;
    }
  }
  EXPECT_EQ(FindGradientRule("Shape"), nullptr);
}

TEST(Rules, SayWhatTheyCannotDo) {
  EXPECT_THAT(Refusal("y = Pow(two, h)", ", float[1] two"), HasSubstr("its exponent is computed"));
  EXPECT_THAT(Refusal("y = ReduceSum<noop_with_empty_axes = 1>(h)", ""),
              HasSubstr("noop_with_empty_axes is set"));
  EXPECT_THAT(Refusal("y = Gather<axis = 2>(h, places)", ", int64[8] places", 15),
              HasSubstr("its places may repeat"));
  EXPECT_THAT(Refusal("y = Gather<axis = 2>(h, places)", ", int64[8] places", 16),
              HasSubstr("it was built"));
}

TEST(Rules, KnowTheTableBehindATransposedOne) {
  const ParsedGraph parsed = LanguageModel(
      "w = Transpose(v)\n  a = MatMul(h, w)\n  x = Tanh(v)\n  y = MatMul(a, x)", ", float[8, 8] v");
  const auto maker = [&](const char* name) {
    return parsed.graph.value(parsed.Value(name)).producer;
  };
  EXPECT_EQ(TableBehind(parsed.graph, maker("a"), 1), "v");
  EXPECT_EQ(TableBehind(parsed.graph, maker("y"), 1), "");
}

}  // namespace
}  // namespace onnxquant
