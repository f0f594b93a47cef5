#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

// A product that might be the head, and the graph output, also of a body, that it leads to.
struct Candidate {
  NodeId node = kNone;
  WeightMatMul matmul;
  ValueId output = kNone;
};

void MarkHead(const Graph& graph, const Candidate& head, const std::string& why, Roles& roles) {
  Assign(head.node, Role::kLmHead, why, roles);
  for (NodeId link = graph.ProducerOf(head.node, 1); link != kNone;
       link = graph.ProducerOf(link, 0)) {
    if (IsAnyOf(graph, link, {"Transpose"})) {
      Assign(link, Role::kLmHead, "transposes the lm_head's weight", roles);
    }
  }
  const absl::string_view leads = Keep("the lm_head leads here", roles);
  roles.values[head.output] = {Role::kLogits, Role::kNone, kNone, leads};
  const ValueId outside = HandedOutAs(graph, head.output);
  if (outside != kNone) roles.values[outside] = {Role::kLogits, Role::kNone, kNone, leads};
}

// Whether the product makes more columns than it reads.
bool Widens(const Graph& graph, const Candidate& candidate) {
  const std::int64_t columns = candidate.matmul.columns;
  std::int64_t rows = IntAttribute(*graph.node(candidate.node).proto, "K", 0);
  if (rows == 0) {
    const auto dims = ConstantShape(graph, candidate.matmul.weight);
    if (!dims || dims->size() != 2) return false;
    rows = (*dims)[0] == columns ? (*dims)[1] : (*dims)[0];
  }
  return columns > rows;
}

// The norm at the end of the stream that the product reads, and whether one position was taken of
// it.
NodeId NormBefore(const Graph& graph, NodeId product, bool& pooled) {
  NodeId node = graph.ProducerOf(product, 0);
  while (IsAnyOf(graph, node, {"Gather", "Slice", "Cast", "Reshape", "Squeeze"})) {
    pooled = pooled || IsAnyOf(graph, node, {"Gather", "Slice"});
    node = graph.ProducerOf(node, 0);
  }
  return node;
}

// The embedding is elsewhere: the decoder gets rows of it. Its head is the last product, wider than
// the stream. A cache tells it from a classifier of many classes, and so does that every position
// is read; what an encoder of images or sounds widens at every position are no tokens.
void FindHeadWithoutTable(const Graph& graph, const std::vector<Candidate>& candidates,
                          const std::vector<Attention>& attentions, Roles& roles) {
  if (attentions.empty()) return;
  const bool cache = std::any_of(roles.values.begin(), roles.values.end(), [](const auto& value) {
    return value.second.role == Role::kKvCache;
  });
  const bool conv = std::any_of(roles.nodes.begin(), roles.nodes.end(),
                                [](const NodeRole& node) { return node.role == Role::kConv; });
  for (const Candidate& candidate : candidates) {
    if (roles.nodes[candidate.node].role != Role::kNone || !Widens(graph, candidate)) continue;
    bool pooled = false;
    const NodeId norm = NormBefore(graph, candidate.node, pooled);
    if (norm == kNone || !roles.nodes[norm].Is(Role::kNorm)) continue;
    if (!cache && (pooled || (conv && TakesOutMean(graph, norm, roles)))) continue;
    MarkHead(graph, candidate,
             absl::StrCat("makes ", candidate.matmul.columns, " columns of the stream ",
                          cache ? "of a decoder with a cache" : "at every position",
                          ", and leads to a graph output"),
             roles);
  }
}

}  // namespace

ValueId OutputAfter(const Graph& graph, NodeId node, VisitedNodes& visited) {
  ValueId output = kNone;
  const auto look = [&](ValueId value) {
    if (value != kNone && graph.value(value).graph_output && output == kNone) output = value;
  };
  bool pure = true;
  look(OutputOf(graph, node));
  WalkForward(graph, OutputOf(graph, node), visited, [&](NodeId next) {
    if (!pure) return false;
    if (!IsAnyOf(
            graph, next,
            {"Cast", "Identity", "Gather", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose",
             "Mul", "Div", "Tanh", "Add", "Clip", "LogSoftmax", "Softmax", "Sigmoid"})) {
      pure = false;
      return false;
    }
    look(OutputOf(graph, next));
    return true;
  });
  return pure ? output : kNone;
}

void FindLmHead(const RoleFacts& facts, const Embeddings& embeddings,
                const std::vector<Attention>& attentions, Roles& roles) {
  const Graph& graph = facts.graph;
  VisitedNodes visited(graph);
  std::vector<Candidate> candidates;
  bool found = false;
  for (const NodeId id : graph.order()) {
    const auto matmul = WeightMatMulAt(graph, id);
    if (!matmul) continue;
    const bool tied = embeddings.tables.contains(matmul->weight);
    const bool fits = tied || embeddings.vocabularies.contains(matmul->columns);
    if (!fits && roles.nodes[id].role != Role::kNone) continue;
    const Candidate candidate{id, *matmul, OutputAfter(graph, id, visited)};
    if (candidate.output == kNone) continue;
    candidates.push_back(candidate);
    if (!fits) continue;
    found = true;
    MarkHead(
        graph, candidate,
        tied ? "multiplies by an embedding's own table and leads to a graph output"
             : absl::StrCat("makes ", matmul->columns,
                            " columns, an embedding's number of rows, and leads to a graph output"),
        roles);
  }
  if (!found) FindHeadWithoutTable(graph, candidates, attentions, roles);
}

}  // namespace onnxquant
