// The backward pass of a language model as an ONNX graph, for runtimes that have none: gradients of
// the text's improbability, -Σ log p(next token), at chosen values.
#ifndef ONNXQUANT_LIB_GRADIENT_GRADIENT_H_
#define ONNXQUANT_LIB_GRADIENT_GRADIENT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct GradientTask {
  std::string logits = "logits";     // [batch, sequence, vocabulary], float32
  std::vector<std::string> targets;  // where gradients are asked for: values of the main graph
  std::vector<std::string> values;   // that are to be given out beside them
  // Inputs and outputs that are one cache: where the input is still read, the output is given, too.
  std::vector<std::pair<std::string, std::string>> caches;
};

struct GradientModel {
  // Reads what the model reads, as far as it is needed. Sequences are whole: attention through
  // which gradients pass reads no cache. Beside that it reads `labels`, int64 [batch, sequence]:
  // the token that follows at each place, or a negative number where none counts. Weights lie where
  // those of the model lie.
  onnx::ModelProto model;
  std::string labels;
  std::string losses;                  // [batch, sequence]: -log p, 0 where no label counts
  std::vector<std::string> gradients;  // in the targets' order, each of its target's shape
  std::vector<std::string> values;     // what gives each
};

// `types` are those of `graph`. Attention sees the tokens before it, all of a mask. Errors (kModel)
// say which node has no gradient, and why: operators without a rule; arithmetic in other types than
// float32; an opset below 13.
absl::StatusOr<GradientModel> BuildGradient(const Graph& graph, const ValueTypes& types,
                                            const GradientTask& task, const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_GRADIENT_H_
