// Where values enter the residual stream: the embedding at its beginning, and the end of each
// branch. A factor is best taken into a constant that the value is linear in; where there is none,
// a Mul does it.
#include <algorithm>

#include "lib/analysis/stream_walker.h"

namespace onnxquant {
namespace {

// A branch ends in a projection, its bias and a few nodes that move data.
constexpr int kMostSteps = 32;

}  // namespace

void StreamWalker::Enter(const Use& use) {
  Absorption found;
  const ValueId value = Input(use.node, use.input);
  if (!Absorb(value, true, found)) {
    stream_.multiplied.push_back(use);
    return;
  }
  for (const Use& slot : found.constants) scaled_[use_at_.at({slot.node, slot.input})] = 1;
  for (const NodeId norm : found.norms) norms_[norm] = 1;
  for (const ValueId scaled : found.values) degree_[scaled] = 1;
}

// Whether everything that reads the value may see it scaled. Only the value that enters (`first`)
// has several readers: the embedding, which the first norm reads too.
bool StreamWalker::ReadersAgree(ValueId value, Absorption& found) const {
  for (const Use& use : graph_.value(value).uses) {
    const bool added = use.input < (IsSkipNorm(graph_, use.node) ? 2 : 1);
    if (IsStreamNode(use.node)) {
      const bool sum = !IsSkipNorm(graph_, use.node) || added;
      if (!sum || visited_[use.node]) return false;
    } else if (IsScaleInvariantNorm(graph_, use.node) && added) {
      for (const std::size_t moment : {1U, 2U}) {
        const ValueIds& outputs = graph_.node(use.node).outputs;
        if (moment < outputs.size() && outputs[moment] != kNone) return false;
      }
      found.norms.push_back(use.node);
    } else if (Is(use.node, {"Cast"}) && IsFloat(context_.TypeOf(context_.Output(use.node)))) {
      const ValueId cast = context_.Output(use.node);
      if (graph_.value(cast).graph_output || !ReadersAgree(cast, found)) return false;
      found.values.push_back(cast);
    } else {
      return false;
    }
  }
  return true;
}

bool StreamWalker::Absorb(ValueId id, bool first, Absorption& found) const {
  if (DegreeOf(id) == 1) return true;
  if (id == kNone) return false;  // omitted, where no schema says that it must not be
  const Value& value = graph_.value(id);
  if (value.graph_output || value.producer == kNone || DegreeOf(id) != 0) return false;
  if (++found.steps > kMostSteps) return false;
  if (first ? !ReadersAgree(id, found) : value.uses.size() != 1) return false;
  if (!AbsorbProducer(value.producer, id, found)) return false;
  found.values.push_back(id);
  return true;
}

bool StreamWalker::TakeConstant(NodeId node, int input, Absorption& found) const {
  if (!ScalableUse(node, input)) return false;
  found.constants.push_back({node, input});
  return true;
}

bool StreamWalker::TakeOptionalConstant(NodeId node, int input, Absorption& found) const {
  return Input(node, input) == kNone || TakeConstant(node, input, found);
}

bool StreamWalker::AbsorbProducer(NodeId id, ValueId value, Absorption& found) const {
  const Node& node = graph_.node(id);
  if (node.outputs[0] != value || IsStreamNode(id)) return false;
  if (Is(id, {"Add", "Sub", "Sum"})) {
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      if (!TakeConstant(id, i, found) && !Absorb(Input(id, i), false, found)) return false;
    }
    return true;
  }
  if (Is(id, {"Mul", "Div"})) {
    if (TakeConstant(id, 0, found)) return true;
    if (Is(id, {"Mul"}) && TakeConstant(id, 1, found)) return true;
    const bool constant = Is(id, {"Div"}) || context_.IsConstant(Input(id, 1));
    return constant && Absorb(Input(id, 0), false, found);
  }
  if (Is(id, {"SimplifiedLayerNormalization", "RMSNormalization", "LayerNormalization"})) {
    return TakeConstant(id, 1, found) && TakeOptionalConstant(id, 2, found);
  }
  if (Is(id, {"MatMul", "FusedMatMul"})) return TakeConstant(id, 1, found);
  if (Is(id, {"Gemm", "Conv"})) {
    return TakeConstant(id, 1, found) && TakeOptionalConstant(id, 2, found);
  }
  if (Is(id, {"MatMulNBits"})) {
    constexpr int kScales = 2;
    constexpr int kBias = 5;
    return TakeConstant(id, kScales, found) && TakeOptionalConstant(id, kBias, found);
  }
  // A table that something else reads, such as a tied head, is never stored a second time.
  if (Is(id, {"Gather"})) {
    return ScalableUse(id, 0) && uses_of_value_[Input(id, 0)] == 1 && TakeConstant(id, 0, found);
  }
  if (Is(id, {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast",
              "Dropout"})) {
    return Absorb(Input(id, 0), false, found);
  }
  return false;
}

}  // namespace onnxquant
