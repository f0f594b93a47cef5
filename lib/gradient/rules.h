// How the gradient of an operator's outputs becomes that of its inputs: one row per operator.
#ifndef ONNXQUANT_LIB_GRADIENT_RULES_H_
#define ONNXQUANT_LIB_GRADIENT_RULES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/gradient/emitter.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// The table that input `i` of a node is a transposed copy of, or "".
std::string TableBehind(const Graph& graph, NodeId id, int i);

// A node whose outputs' gradients are known.
class NodeGradient {
 public:
  NodeGradient(const Graph& graph, NodeId id, Emitter& emitter)
      : emit(emitter),
        node(*graph.node(id).proto),
        graph_(graph),
        id_(id),
        gradients(graph.node(id).inputs.size()),
        wanted(graph.node(id).inputs.size(), false) {}

  Emitter& emit;
  const onnx::NodeProto& node;

  const std::string& in(int i) const { return node.input(i); }
  const std::string& out(int i = 0) const { return node.output(i); }
  bool has(int i) const { return i < node.input_size() && !node.input(i).empty(); }
  bool wants(int i) const {
    return static_cast<std::size_t>(i) < wanted.size() && wanted[static_cast<std::size_t>(i)];
  }
  void Give(int i, std::string gradient) {
    gradients[static_cast<std::size_t>(i)] = std::move(gradient);
  }
  // What stands for it: `gradient` of the output's shape, for an input that may be broadcast.
  void GiveSummed(int i, const std::string& gradient);
  std::int64_t Int(const char* attribute, std::int64_t fallback) const {
    return IntAttribute(node, attribute, fallback);
  }
  std::string TransposedFrom(int i) const { return TableBehind(graph_, id_, i); }
  bool IsConstantMatrix(int i) const;

 private:
  const Graph& graph_;
  NodeId id_;

 public:
  std::string g;                       // of the first output; "" where nothing hangs on it
  std::vector<std::string> all;        // of every output
  std::vector<std::string> gradients;  // of the inputs, as the rule gives them
  std::vector<bool> wanted;            // by input
};

struct GradientRule {
  absl::string_view op;  // of ONNX's own domain
  // "" or why this node has no gradient here: a clause.
  std::string (*write)(NodeGradient& node) = nullptr;
};

// The row for the operator ("MatMul", "com.microsoft::X"), or null.
const GradientRule* FindGradientRule(absl::string_view op);

// A table each, for the files that hold them.
absl::Span<const GradientRule> ArithmeticRules();
absl::Span<const GradientRule> FunctionRules();
absl::Span<const GradientRule> ProductRules();
absl::Span<const GradientRule> ShapeRules();
absl::Span<const GradientRule> SelectionRules();

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_RULES_H_
