// Steps and walks over a graph that several analyses share.
#ifndef ONNXQUANT_LIB_ANALYSIS_GRAPH_WALK_H_
#define ONNXQUANT_LIB_ANALYSIS_GRAPH_WALK_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/id_vector.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Whether the node's operator is one of `ops`, in ONNX's own domain or ONNX Runtime's. kNone is
// none of any.
bool IsAnyOf(const Graph& graph, NodeId node, absl::Span<const absl::string_view> ops);

// kNone where the slot is absent or empty.
ValueId InputOf(const Graph& graph, NodeId node, int input);
ValueId OutputOf(const Graph& graph, NodeId node, int output = 0);

// By NodeId: each node's place in graph.order().
IdVector<int> PlacesInOrder(const Graph& graph);

// By ValueId: the value that each is a rounded or widened form of: before Casts to float types, and
// before a Clip of a sum, such as conversions to float16 put behind it.
IdVector<ValueId> Uncast(const Graph& graph);

// The nodes that one search has seen. One array serves all searches, so that each costs no more
// than what it visits.
class VisitedNodes {
 public:
  explicit VisitedNodes(const Graph& graph) : marks_(graph.nodes().size(), 0) {}

  void Clear() {
    ++round_;
    count_ = 0;
  }
  // False if the node was there already.
  bool Insert(NodeId node) {
    if (marks_[node] == round_) return false;
    marks_[node] = round_;
    ++count_;
    return true;
  }
  int count() const { return count_; }

 private:
  IdVector<int> marks_;
  int round_ = 1;
  int count_ = 0;
};

// Bounds of one search, which keep all of them together linear.
inline constexpr int kMostVisited = 4000;
inline constexpr std::size_t kMostEdges = 64'000;

// Depth-first from the producer of `value` against the data flow. `visit` returns whether to go on
// through that node. Visits each node once, at most `most` of them, and looks at no more than
// kMostEdges edges.
void WalkBack(const Graph& graph, ValueId value, VisitedNodes& visited,
              absl::FunctionRef<bool(NodeId)> visit, int most = kMostVisited);

// The same along the data flow, from the readers of `value`.
void WalkForward(const Graph& graph, ValueId value, VisitedNodes& visited,
                 absl::FunctionRef<bool(NodeId)> visit, int most = kMostVisited);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_GRAPH_WALK_H_
