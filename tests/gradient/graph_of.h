// A parsed model with what gradients ask for.
#ifndef ONNXQUANT_TESTS_GRADIENT_GRAPH_OF_H_
#define ONNXQUANT_TESTS_GRADIENT_GRAPH_OF_H_

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "tests/support/text_model.h"

namespace onnxquant {

struct ParsedGraph {
  std::unique_ptr<onnx::ModelProto> model;
  Graph graph;
  ValueTypes types;

  ValueId Value(const std::string& name) const { return graph.Find(kMainScope, name); }
};

inline ParsedGraph GraphOf(const std::string& text) {
  auto model = std::make_unique<onnx::ModelProto>(ParseModel(text));
  auto graph = Graph::Build(*model, "m.onnx");
  EXPECT_TRUE(graph.ok()) << graph.status();
  auto types = InferTypes(*graph, "m.onnx");
  EXPECT_TRUE(types.ok()) << types.status();
  return {std::move(model), *std::move(graph), *std::move(types)};
}

// A language model: rows of a table `h`, what `nodes` make of it, `y`, and a head.
inline ParsedGraph LanguageModel(const std::string& nodes, const std::string& declared = "",
                                 int opset = 21) {
  return GraphOf("<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) +
                 ", \"com.microsoft\" : 1]>\n"
                 "g (int64[b, s] input_ids) => (float[b, s, 9] logits)\n"
                 "<float[9, 8] table, float[8, 9] head" +
                 declared + "> {\n  h = Gather(table, input_ids)\n" + nodes +
                 "\n  logits = MatMul(y, head)\n}");
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_GRADIENT_GRAPH_OF_H_
