#include "absl/strings/str_cat.h"
#include "lib/analysis/role_finder.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

bool IsIntegerInput(const Value& value) {
  if (!value.graph_input || value.declared == nullptr) return false;
  const int type = value.declared->type().tensor_type().elem_type();
  return type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32;
}

}  // namespace

// Back to an integer graph input, through nothing but shape and integer arithmetic.
bool RoleFinder::ComesFromTokenIds(ValueId value) const {
  bool found = graph_.value(value).producer == kNone && IsIntegerInput(graph_.value(value));
  bool pure = true;
  WalkBack(value, [&](NodeId node) {
    if (!Is(node, {"Cast",    "Reshape",  "Squeeze",         "Unsqueeze", "Identity",
                   "Add",     "Sub",      "Slice",           "Concat",    "Gather",
                   "Shape",   "Constant", "ConstantOfShape", "Range",     "Expand",
                   "Flatten", "Where",    "Equal",           "Less",      "Max",
                   "Min",     "Clip",     "Transpose",       "CumSum",    "Mul",
                   "Not"})) {
      pure = false;
      return false;
    }
    for (const ValueId input : graph_.node(node).inputs) {
      if (input != kNone && IsIntegerInput(graph_.value(input))) found = true;
    }
    return !Is(node, {"Constant"});
  });
  return found && pure;
}

void RoleFinder::FindEmbeddings() {
  for (const NodeId id : graph_.order()) {
    if (!Is(id, {"Gather", "GatherBlockQuantized"})) continue;
    const ValueId table = ConstantBehind(Input(id, 0));
    const bool rows = IntAttribute(*graph_.node(id).proto, "axis", 0) == 0;
    if (table == kNone || !rows || Input(id, 1) == kNone) continue;
    const auto dims = ConstantShape(graph_, table);
    if (!dims || dims->size() != 2 || !ComesFromTokenIds(Input(id, 1))) continue;
    Assign(id, Role::kEmbedding,
           absl::StrCat("gathers rows of '", graph_.value(table).name,
                        "' by indices that come from an integer graph input"));
    vocabularies_.insert((*dims)[0]);
    tables_.insert(table);
    const auto only_reader = [this](ValueId value) -> Use {
      const bool one = value != kNone && graph_.value(value).uses.size() == 1;
      return one ? graph_.value(value).uses.front() : Use{};
    };
    Use use = only_reader(Output(id));
    while (Is(use.node, {"Cast"})) use = only_reader(Output(use.node));
    if (!Is(use.node, {"Mul"})) continue;
    const ValueId scale = ConstantBehind(Input(use.node, 1 - use.input));
    if (scale == kNone) continue;
    const auto shape = ConstantShape(graph_, scale);
    std::int64_t elements = 1;
    for (const std::int64_t dim : shape.value_or(std::vector<std::int64_t>{2})) elements *= dim;
    if (elements == 1) {
      Assign(use.node, Role::kEmbedding, "scales the embedding before anything else reads it");
    }
  }
}

// Whether the node's output becomes a graph output without further weights.
bool RoleFinder::LeadsToOutput(NodeId node, ValueId* output) const {
  *output = kNone;
  const auto look = [&](ValueId value) {
    if (value != kNone && graph_.value(value).graph_output && *output == kNone) *output = value;
  };
  bool pure = true;
  look(Output(node));
  WalkForward(Output(node), [&](NodeId next) {
    if (!Is(next, {"Cast", "Identity", "Gather", "Slice", "Squeeze", "Unsqueeze", "Reshape",
                   "Transpose", "Mul", "Div", "Tanh", "Add", "Clip", "LogSoftmax", "Softmax"})) {
      pure = false;
      return false;
    }
    look(Output(next));
    return true;
  });
  return pure && *output != kNone;
}

void RoleFinder::FindLmHead() {
  for (const NodeId id : graph_.order()) {
    const auto matmul = WeightMatMulAt(id);
    if (!matmul) continue;
    const bool tied = tables_.contains(matmul->weight);
    if (!tied && !vocabularies_.contains(matmul->columns)) continue;
    ValueId output = kNone;
    if (!LeadsToOutput(id, &output)) continue;
    Assign(id, Role::kLmHead,
           tied ? "multiplies by an embedding's own table and leads to a graph output"
                : absl::StrCat(
                      "makes ", matmul->columns,
                      " columns, an embedding's number of rows, and leads to a graph output"));
    for (NodeId link = graph_.ProducerOf(id, 1); link != kNone; link = graph_.ProducerOf(link, 0)) {
      if (Is(link, {"Transpose"})) Assign(link, Role::kLmHead, "transposes the lm_head's weight");
    }
    roles_.values[static_cast<std::size_t>(output)] = {Role::kLogits, kNone,
                                                       "the lm_head leads here"};
  }
}

}  // namespace onnxquant
