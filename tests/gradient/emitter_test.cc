#include "lib/gradient/emitter.h"

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "tests/gradient/graph_of.h"

namespace onnxquant {
namespace {

using ::testing::StartsWith;

TEST(Emitter, GivesNamesThatTheModelHasNot) {
  const ParsedGraph parsed = LanguageModel("gradient = Tanh(h)\n y = Tanh(gradient)");
  Emitter emitter(parsed.graph, "gradient", 21);
  EXPECT_THAT(emitter.Make("Neg", {"h"}), StartsWith("gradient_/"));
  std::set<std::string> names;
  for (int i = 0; i < 3; ++i) names.insert(emitter.Make("Neg", {"h"}));
  EXPECT_EQ(names.size(), 3U);
}

TEST(Emitter, WritesAConstantOnce) {
  const ParsedGraph parsed = LanguageModel("y = Tanh(h)");
  Emitter emitter(parsed.graph, "gradient", 21);
  EXPECT_EQ(emitter.Ints({1, 2}), emitter.Ints({1, 2}));
  EXPECT_NE(emitter.Int(1), emitter.Ints({1}));
  EXPECT_NE(emitter.Float(1), emitter.Float(2));
  EXPECT_EQ(emitter.Take().size(), 5U);
  EXPECT_TRUE(emitter.Take().empty());
}

TEST(Emitter, NamesAxesAsTheOpsetDoes) {
  const ParsedGraph parsed = LanguageModel("y = Tanh(h)");
  for (const std::int64_t opset : {17, 18}) {
    Emitter emitter(parsed.graph, "gradient", opset);
    emitter.Reduce("ReduceMean", "h", -1);
    const onnx::NodeProto mean = emitter.Take().back();
    EXPECT_EQ(mean.input_size(), opset == 18 ? 2 : 1);
    EXPECT_EQ(mean.attribute_size(), opset == 18 ? 0 : 1);
    emitter.Reduce("ReduceSum", "h", -1);
    EXPECT_EQ(emitter.Take().back().input_size(), 2);
  }
}

TEST(Emitter, WritesNodesOfTheRuntimesDomain) {
  const ParsedGraph parsed = LanguageModel("y = Tanh(h)");
  Emitter emitter(parsed.graph, "gradient", 21);
  emitter.MakeAs("z", "ms.FusedMatMul", {"a", "b"}, {{"transB", std::int64_t{1}}});
  const onnx::NodeProto node = emitter.Take().front();
  EXPECT_EQ(node.domain(), "com.microsoft");
  EXPECT_EQ(node.op_type(), "FusedMatMul");
  EXPECT_EQ(node.output(0), "z");
  EXPECT_EQ(node.attribute(0).i(), 1);
}

}  // namespace
}  // namespace onnxquant
