#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr int kMostSteps = 200;  // of counting positions

// What indices are made of.
struct IndexSource {
  bool pure = true;      // of nothing but arithmetic
  bool counted = false;  // by a running sum or a range
  bool listed = false;   // from a list of different numbers
  bool inputs = false;   // of graph inputs' numbers, not only of their shapes
  bool named = false;    // an input's name speaks of positions
};

// Whether the value is a constant list of numbers that are not all the same, as those of kinds of
// tokens are. Lists of a few are shapes.
bool IsList(const Graph& graph, ValueId value) {
  constexpr std::size_t kFewest = 8;
  const onnx::TensorProto* tensor = value == kNone ? nullptr : ConstantTensor(graph, value);
  if (tensor == nullptr || tensor->data_type() != onnx::TensorProto::INT64) return false;
  std::vector<std::int64_t> numbers(tensor->int64_data().begin(), tensor->int64_data().end());
  const std::string& raw = tensor->raw_data();
  if (numbers.empty() && !raw.empty()) {
    numbers.resize(raw.size() / sizeof(std::int64_t));
    std::memcpy(numbers.data(), raw.data(), numbers.size() * sizeof(std::int64_t));
  }
  return numbers.size() >= kFewest &&
         std::any_of(numbers.begin(), numbers.end(),
                     [&numbers](std::int64_t number) { return number != numbers.front(); });
}

IndexSource SourceOf(const RoleFacts& facts, ValueId indices, VisitedNodes& visited) {
  const Graph& graph = facts.graph;
  IndexSource source;
  const auto look = [&](ValueId value) {
    source.listed = source.listed || IsList(graph, value);
    if (value == kNone || !graph.value(value).graph_input) return;
    source.inputs = true;
    source.named = source.named || absl::StrContains(graph.value(value).name, "position");
    source.pure = source.pure && IsIntegerInput(graph.value(value));
  };
  look(indices);
  WalkBack(
      graph, indices, visited,
      [&](NodeId node) {
        if (IsAnyOf(graph, node, {"Shape", "Size"})) return false;
        source.counted = source.counted || IsAnyOf(graph, node, {"CumSum", "Range"});
        if (facts.weights.holds[node] ||
            IsAnyOf(graph, node, {"ArgMax", "TopK", "NonZero", "If", "Loop", "Scan"})) {
          source.pure = false;
        }
        for (const ValueId input : graph.node(node).inputs) look(input);
        return source.pure;
      },
      kMostSteps);
  return source;
}

// Whether the constant is a table of more than one row, as positions are learnt.
bool IsTable(const Graph& graph, ValueId constant) {
  const auto dims = ConstantShape(graph, constant);
  return dims && dims->size() == 2 && (*dims)[0] > 1 && (*dims)[1] > 1;
}

// Whether it is added to something before weights read it: to the stream, or to scores.
bool IsAdded(const RoleFacts& facts, NodeId node, VisitedNodes& visited) {
  const Graph& graph = facts.graph;
  bool added = false;
  WalkForward(graph, OutputOf(graph, node), visited, [&](NodeId next) {
    added = added || IsAnyOf(graph, next, {"Add", "Sum", "SkipLayerNormalization"});
    return !added && IsAnyOf(graph, next,
                             {"Cast", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Slice",
                              "Expand", "Mul", "Identity"});
  });
  return added;
}

void LookAtGather(const RoleFacts& facts, NodeId id, VisitedNodes& visited, Roles& roles) {
  const Graph& graph = facts.graph;
  const NodeRole& known = roles.nodes[id];
  if (known.role != Role::kNone && known.role != Role::kEmbedding) return;
  const ValueId table = ConstantBehind(graph, InputOf(graph, id, 0));
  if (table == kNone || !IsTable(graph, table) || InputOf(graph, id, 1) == kNone) return;
  if (IntAttribute(*graph.node(id).proto, "axis", 0) != 0) return;
  const IndexSource source = SourceOf(facts, InputOf(graph, id, 1), visited);
  const bool positions =
      source.pure && (source.counted || (source.inputs ? source.named : source.listed));
  if (!positions || !IsAdded(facts, id, visited)) return;
  const char* how = source.counted  ? "a running count"
                    : source.inputs ? "a graph input whose name says so"
                                    : "a list of numbers";
  Refine(
      id, Role::kPosition,
      absl::StrCat("adds rows of '", graph.value(table).name, "' by indices that come from ", how),
      roles);
  roles.nodes[id].also = Role::kEmbedding;
}

// A whole table that is added, or as much of it as there are positions.
void LookAtAdd(const Graph& graph, NodeId id, Roles& roles) {
  if (roles.nodes[id].role != Role::kNone || graph.node(id).inputs.size() != 2) return;
  for (const int input : {0, 1}) {
    ValueId table = InputOf(graph, id, input);
    const NodeId slice = table == kNone ? kNone : graph.value(table).producer;
    if (IsAnyOf(graph, slice, {"Slice"})) table = InputOf(graph, slice, 0);
    const ValueId constant = ConstantBehind(graph, table);
    if (constant == kNone || ConstantBehind(graph, InputOf(graph, id, 1 - input)) != kNone)
      continue;
    const auto dims = ConstantShape(graph, constant);
    const std::size_t rank = dims ? dims->size() : 0;
    if ((rank != 2 && rank != 3) || (rank == 3 && dims->front() != 1)) continue;
    if ((*dims)[rank - 2] < 2 || (*dims)[rank - 1] < 2) continue;
    Assign(id, Role::kPosition,
           absl::StrCat("adds the table '", graph.value(constant).name, "', row by row"), roles);
  }
}

}  // namespace

void FindPositions(const RoleFacts& facts, Roles& roles) {
  VisitedNodes visited(facts.graph);
  for (const NodeId id : facts.graph.order()) {
    if (IsAnyOf(facts.graph, id, {"Gather"})) LookAtGather(facts, id, visited, roles);
    if (IsAnyOf(facts.graph, id, {"Add"})) LookAtAdd(facts.graph, id, roles);
  }
}

}  // namespace onnxquant
