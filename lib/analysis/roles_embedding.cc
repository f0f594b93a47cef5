#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

// Back to an integer graph input, through nothing but shape and integer arithmetic.
bool ComesFromTokenIds(const Graph& graph, ValueId value, VisitedNodes& visited) {
  bool found = graph.value(value).producer == kNone && IsIntegerInput(graph.value(value));
  bool pure = true;
  WalkBack(graph, value, visited, [&](NodeId node) {
    if (!IsAnyOf(graph, node, {"Cast",    "Reshape",  "Squeeze",         "Unsqueeze", "Identity",
                               "Add",     "Sub",      "Slice",           "Concat",    "Gather",
                               "Shape",   "Constant", "ConstantOfShape", "Range",     "Expand",
                               "Flatten", "Where",    "Equal",           "Less",      "Max",
                               "Min",     "Clip",     "Transpose",       "CumSum",    "Mul",
                               "Not"})) {
      pure = false;
      return false;
    }
    for (const ValueId input : graph.node(node).inputs) {
      if (input != kNone && IsIntegerInput(graph.value(input))) found = true;
    }
    return !IsAnyOf(graph, node, {"Constant"});
  });
  return found && pure;
}

// The constant whose rows a Gather picks; codes may be those of a head, in a shape of their own.
ValueId TableOf(const Graph& graph, NodeId gather) {
  const ValueId table = ConstantBehind(graph, InputOf(graph, gather, 0));
  const NodeId reshape = graph.ProducerOf(gather, 0);
  if (table != kNone || !IsAnyOf(graph, gather, {"GatherBlockQuantized"}) ||
      !IsAnyOf(graph, reshape, {"Reshape"})) {
    return table;
  }
  return ConstantBehind(graph, InputOf(graph, reshape, 0));
}

// The operator that gathers words, positions and kinds of tokens, and normalizes their sum.
void TakeFused(const Graph& graph, NodeId id, Embeddings& found, Roles& roles) {
  constexpr int kWords = 2;
  const ValueId table = ConstantBehind(graph, InputOf(graph, id, kWords));
  const auto dims = ConstantShape(graph, table);
  if (!dims || dims->size() != 2) return;
  Assign(id, Role::kEmbedding, absl::StrCat("the operator is ", graph.OpName(id)), roles);
  roles.nodes[id].also = Role::kNorm;
  found.vocabularies.insert((*dims)[0]);
  found.tables.insert(table);
}

}  // namespace

bool IsIntegerInput(const Value& value) {
  if (!value.graph_input || value.declared == nullptr) return false;
  const int type = value.declared->type().tensor_type().elem_type();
  return type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32;
}

Embeddings FindEmbeddings(const Graph& graph, Roles& roles) {
  Embeddings found;
  VisitedNodes visited(graph);
  for (const NodeId id : graph.order()) {
    if (IsAnyOf(graph, id, {"EmbedLayerNormalization"})) TakeFused(graph, id, found, roles);
    if (!IsAnyOf(graph, id, {"Gather", "GatherBlockQuantized"})) continue;
    const ValueId table = TableOf(graph, id);
    const bool rows = IntAttribute(*graph.node(id).proto, "axis", 0) == 0;
    if (table == kNone || !rows || InputOf(graph, id, 1) == kNone) continue;
    const auto dims = ConstantShape(graph, table);
    const bool is_table =
        dims && (dims->size() == 2 || IsAnyOf(graph, id, {"GatherBlockQuantized"}));
    if (!is_table || !ComesFromTokenIds(graph, InputOf(graph, id, 1), visited)) continue;
    Assign(id, Role::kEmbedding,
           absl::StrCat("gathers rows of '", graph.value(table).name,
                        "' by indices that come from an integer graph input"),
           roles);
    found.vocabularies.insert((*dims)[0]);
    found.tables.insert(table);
    // Who asks for the shape alone reads nothing of it.
    const auto only_reader = [&graph](ValueId value) -> Use {
      Use only;
      if (value == kNone) return only;
      for (const Use& use : graph.value(value).uses) {
        if (IsAnyOf(graph, use.node, {"Shape"})) continue;
        if (only.node != kNone) return Use{};
        only = use;
      }
      return only;
    };
    Use use = only_reader(OutputOf(graph, id));
    while (IsAnyOf(graph, use.node, {"Cast"})) use = only_reader(OutputOf(graph, use.node));
    if (!IsAnyOf(graph, use.node, {"Mul"})) continue;
    const ValueId scale = ConstantBehind(graph, InputOf(graph, use.node, 1 - use.input));
    if (scale == kNone) continue;
    const auto shape = ConstantShape(graph, scale);
    std::int64_t elements = 1;
    for (const std::int64_t dim : shape.value_or(std::vector<std::int64_t>{2})) elements *= dim;
    if (elements == 1) {
      Assign(use.node, Role::kEmbedding, "scales the embedding before anything else reads it",
             roles);
    }
  }
  return found;
}

}  // namespace onnxquant
