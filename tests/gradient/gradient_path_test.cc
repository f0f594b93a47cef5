#include "lib/gradient/gradient_path.h"

#include "gmock/gmock.h"
#include "tests/gradient/graph_of.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> NamesOn(const ParsedGraph& parsed, const std::string& target) {
  const GradientPath path =
      FindGradientPath(parsed.graph, parsed.types, {parsed.Value(target)}, parsed.Value("logits"));
  std::vector<std::string> names;
  for (const NodeId id : path.nodes) names.push_back(parsed.graph.node(id).proto->output(0));
  return names;
}

TEST(GradientPath, LeadsFromTheTargetsToTheLogitsAlone) {
  const ParsedGraph parsed = LanguageModel(R"(
  a = Tanh(h)
  b = Sigmoid(h)
  dead = Neg(a)
  y = Add(a, b))");
  EXPECT_THAT(NamesOn(parsed, "h"), ElementsAre("a", "b", "y", "logits"));
  EXPECT_THAT(NamesOn(parsed, "a"), ElementsAre("y", "logits"));
  EXPECT_THAT(NamesOn(parsed, "dead"), ElementsAre());
}

TEST(GradientPath, PassesNoShapes) {
  const ParsedGraph parsed = LanguageModel(R"(
  shape = Shape(h)
  flat = Reshape(h, shape)
  y = Expand(scalar, shape))",
                                           ", float[1] scalar");
  EXPECT_THAT(NamesOn(parsed, "h"), ElementsAre());
}

}  // namespace
}  // namespace onnxquant
