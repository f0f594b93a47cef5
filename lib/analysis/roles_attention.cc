#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

constexpr int kMostBesideSoftmax = 512;  // nodes between a Softmax and the products beside it
// Scores may get a column more, of sinks, which is cut off again behind the Softmax.
constexpr absl::string_view kBeforeSoftmax[] = {
    "Add", "Sub", "Mul", "Div", "Where", "Cast", "Reshape", "Transpose", "Identity", "Concat"};
constexpr absl::string_view kAfterSoftmax[] = {"Cast",  "Reshape", "Transpose", "Identity",
                                               "Where", "IsNaN",   "Dropout",   "Slice"};

bool IsProductOfActivations(const Graph& graph, NodeId node) {
  return IsAnyOf(graph, node, {"MatMul", "FusedMatMul"}) &&
         ConstantBehind(graph, InputOf(graph, node, 0)) == kNone &&
         ConstantBehind(graph, InputOf(graph, node, 1)) == kNone;
}

// com.microsoft's Attention holds the projections itself: its input 1 is their weight.
Attention AttentionOf(const Graph& graph, NodeId id) {
  if (graph.OpName(id) == "com.microsoft::Attention") {
    return {id, kNone, kNone, kNone, OutputOf(graph, id)};
  }
  return {id, InputOf(graph, id, 0), InputOf(graph, id, 1), InputOf(graph, id, 2),
          OutputOf(graph, id)};
}

// Softmax between two MatMuls of activations: scores from queries and keys before it, past masks
// and scales; values after it.
std::optional<Attention> FindDecomposed(const Graph& graph, NodeId softmax, VisitedNodes& visited,
                                        Roles& roles) {
  // The first product on the walk, which goes on through `ops` alone.
  const auto look_for = [&graph](NodeId& found, absl::Span<const absl::string_view> ops) {
    return [&graph, &found, ops](NodeId node) {
      if (found != kNone) return false;
      if (!IsProductOfActivations(graph, node)) return IsAnyOf(graph, node, ops);
      found = node;
      return false;
    };
  };
  NodeId scores = kNone;
  WalkBack(graph, InputOf(graph, softmax, 0), visited, look_for(scores, kBeforeSoftmax),
           kMostBesideSoftmax);
  NodeId context = kNone;
  WalkForward(graph, OutputOf(graph, softmax), visited, look_for(context, kAfterSoftmax),
              kMostBesideSoftmax);
  if (scores == kNone || context == kNone || scores == context) return std::nullopt;
  Assign(scores, Role::kAttention, "its product of two activations goes into a Softmax", roles);
  Assign(context, Role::kAttention, "multiplies a Softmax's output with an activation", roles);
  return Attention{softmax,
                   InputOf(graph, scores, 0),
                   InputOf(graph, scores, 1),
                   InputOf(graph, context, 1),
                   OutputOf(graph, context),
                   scores,
                   context};
}

}  // namespace

std::vector<Attention> FindAttentions(const Graph& graph, Roles& roles) {
  std::vector<Attention> found;
  VisitedNodes visited(graph);
  for (const NodeId id : graph.order()) {
    if (IsAnyOf(graph, id, {"GroupQueryAttention", "MultiHeadAttention", "Attention"})) {
      Assign(id, Role::kAttention, absl::StrCat("the operator is ", graph.OpName(id)), roles);
      found.push_back(AttentionOf(graph, id));
    } else if (IsAnyOf(graph, id, {"Softmax"})) {
      const std::optional<Attention> decomposed = FindDecomposed(graph, id, visited, roles);
      if (decomposed) found.push_back(*decomposed);
    }
  }
  return found;
}

}  // namespace onnxquant
