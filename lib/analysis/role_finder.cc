#include "lib/analysis/role_finder.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/analysis/weight_uses.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

constexpr RoleName kRoleNames[] = {
    {Role::kEmbedding, "embedding",
     "the Gather of a table by token ids, and the Mul that scales it"},
    {Role::kLmHead, "lm_head", "the MatMul that makes logits over the embedding's vocabulary"},
    {Role::kNorm, "norm", "LayerNormalization and its kin, Skip* forms included"},
    {Role::kResidual, "residual", "an Add that joins a branch to the stream it was computed from"},
    {Role::kQProj, "q_proj", "the projection that makes an attention's queries"},
    {Role::kKProj, "k_proj", "the projection that makes an attention's keys"},
    {Role::kVProj, "v_proj", "the projection that makes an attention's values"},
    {Role::kOProj, "o_proj", "the projection of an attention's output"},
    {Role::kGateProj, "gate_proj", "an MLP's projection that goes through the activation"},
    {Role::kUpProj, "up_proj", "an MLP's projection to its inner width"},
    {Role::kDownProj, "down_proj", "an MLP's projection back to the stream"},
    {Role::kAttention, "attention", "an attention operator, or the MatMuls of a decomposed one"},
    {Role::kSoftmax, "softmax", "Softmax"},
    {Role::kRope, "rope", "RotaryEmbedding"},
    {Role::kKvCache, "kv_cache",
     "graph inputs and outputs that carry past and present keys, values"},
    {Role::kLogits, "logits", "the graph output that the lm_head feeds"},
    {Role::kConv, "conv", "Conv and ConvTranspose"},
};

}  // namespace

absl::Span<const RoleName> RoleNames() {
  return kRoleNames;
}

const char* NameOf(Role role) {
  for (const RoleName& row : kRoleNames) {
    if (row.role == role) return row.name;
  }
  return "";
}

Roles FindRoles(const Graph& graph) {
  return RoleFinder(graph).Run();
}

RoleFinder::RoleFinder(const Graph& graph) : graph_(graph) {
  roles_.nodes.resize(graph.nodes().size());
  roles_.values.resize(graph.values().size());
  position_.resize(graph.nodes().size());
  weight_matmuls_.resize(graph.nodes().size(), Known::kNot);
  holders_.resize(graph.nodes().size(), Known::kNot);
  uncast_.resize(graph.values().size(), kNone);
  for (std::size_t i = 0; i < graph.order().size(); ++i) {
    position_[static_cast<std::size_t>(graph.order()[i])] = static_cast<int>(i);
  }
}

Roles RoleFinder::Run() {
  FindByOperator();
  FindEmbeddings();
  FindResiduals();
  FindAttentions();
  FindProjections();
  FindKvCache();
  FindLmHead();
  FindMlps();
  NumberLayers();
  return std::move(roles_);
}

bool RoleFinder::Is(NodeId node, std::initializer_list<const char*> ops) const {
  if (node == kNone) return false;
  const onnx::NodeProto& proto = *graph_.node(node).proto;
  if (!IsOnnxDomain(proto.domain()) && proto.domain() != "com.microsoft") return false;
  for (const char* op : ops) {
    if (proto.op_type() == op) return true;
  }
  return false;
}

void RoleFinder::Assign(NodeId node, Role role, const std::string& evidence) {
  NodeRole& slot = roles_.nodes[static_cast<std::size_t>(node)];
  if (slot.role != Role::kNone) return;
  slot.role = role;
  slot.evidence = evidence;
}

void RoleFinder::FindByOperator() {
  for (const NodeId id : graph_.order()) {
    const std::string evidence = absl::StrCat("the operator is ", graph_.OpName(id));
    if (Is(id, {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization",
                "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"})) {
      Assign(id, Role::kNorm, evidence);
    } else if (Is(id, {"RotaryEmbedding"})) {
      Assign(id, Role::kRope, evidence);
    } else if (Is(id, {"Conv", "ConvTranspose"})) {
      Assign(id, Role::kConv, evidence);
    } else if (Is(id, {"Softmax"})) {
      Assign(id, Role::kSoftmax, evidence);
    }
  }
}

ValueId RoleFinder::Input(NodeId node, int input) const {
  const ValueIds& inputs = graph_.node(node).inputs;
  return input < static_cast<int>(inputs.size()) ? inputs[static_cast<std::size_t>(input)] : kNone;
}

ValueId RoleFinder::Output(NodeId node, int output) const {
  const ValueIds& outputs = graph_.node(node).outputs;
  return output < static_cast<int>(outputs.size()) ? outputs[static_cast<std::size_t>(output)]
                                                   : kNone;
}

ValueId RoleFinder::Uncast(ValueId value) const {
  std::vector<ValueId> passed;  // a chain of Casts is walked once, however many ask for its end
  while (value != kNone) {
    if (const ValueId known = uncast_[static_cast<std::size_t>(value)]; known != kNone) {
      value = known;
      break;
    }
    passed.push_back(value);
    const NodeId producer = graph_.value(value).producer;
    if (Is(producer, {"Cast"})) {
      const auto to = IntAttribute(*graph_.node(producer).proto, "to", 0);
      if (!IsFloat(static_cast<ElementType>(to))) break;
    } else if (!Is(producer, {"Clip"}) ||
               !Is(graph_.ProducerOf(producer, 0), {"Add", "Sum", "Cast"})) {
      break;
    }
    if (Input(producer, 0) == kNone) break;
    value = Input(producer, 0);
  }
  for (const ValueId one : passed) uncast_[static_cast<std::size_t>(one)] = value;
  return value;
}

// The initializer or Constant that a value is, seen through what only reshuffles or dequantizes it.
ValueId RoleFinder::ConstantBehind(ValueId value) const {
  for (int steps = 0; value != kNone && steps < 8; ++steps) {
    const Value& v = graph_.value(value);
    if (v.initializer != nullptr && !v.graph_input) return value;
    if (v.producer == kNone) return kNone;
    if (Is(v.producer, {"Constant"})) return value;
    if (!Is(v.producer, {"Transpose", "Identity", "Cast", "DequantizeLinear", "Reshape"})) {
      return kNone;
    }
    value = Input(v.producer, 0);
  }
  return kNone;
}

std::optional<RoleFinder::WeightMatMul> RoleFinder::WeightMatMulAt(NodeId node) const {
  if (node == kNone) return std::nullopt;
  const onnx::NodeProto& proto = *graph_.node(node).proto;
  WeightMatMul found;
  if (Is(node, {"MatMulNBits", "MatMulBnb4"})) {
    found.weight = Input(node, 1);
    found.columns = IntAttribute(proto, "N", 0);
    return found;
  }
  if (!Is(node, {"MatMul", "Gemm", "FusedMatMul", "FusedGemm"})) return std::nullopt;
  found.weight = ConstantBehind(Input(node, 1));
  if (found.weight == kNone) return std::nullopt;
  const auto dims = ConstantShape(graph_, found.weight);
  if (!dims || dims->size() != 2) return std::nullopt;
  bool transposed = IntAttribute(proto, "transB", 0) != 0;
  for (NodeId link = graph_.ProducerOf(node, 1); link != kNone; link = graph_.ProducerOf(link, 0)) {
    if (Is(link, {"Transpose"})) transposed = !transposed;
  }
  found.columns = transposed ? (*dims)[0] : (*dims)[1];
  return found;
}

bool RoleFinder::IsWeightMatMul(NodeId node) const {
  Known& known = weight_matmuls_[static_cast<std::size_t>(node)];
  if (known == Known::kNot) known = WeightMatMulAt(node).has_value() ? Known::kYes : Known::kNo;
  return known == Known::kYes;
}

// Whether the node does arithmetic with learnt weights: what makes a branch a branch.
bool RoleFinder::HoldsWeights(NodeId node) const {
  Known& known = holders_[static_cast<std::size_t>(node)];
  if (known != Known::kNot) return known == Known::kYes;
  const bool holds = IsWeightMatMul(node) ||
                     Is(node, {"Conv", "ConvTranspose", "GroupQueryAttention", "MultiHeadAttention",
                               "Attention", "MatMulInteger", "DynamicQuantizeMatMul",
                               "QLinearMatMul", "QMoE", "MoE", "LSTM", "GRU"});
  known = holds ? Known::kYes : Known::kNo;
  return holds;
}

void RoleFinder::WalkBack(ValueId value, const std::function<bool(NodeId)>& visit, int most) const {
  std::vector<ValueId> open = {value};
  std::size_t edges = 0;
  seen_.Clear(graph_.nodes().size());
  while (!open.empty() && seen_.count() < most && edges < kMostEdges) {
    const ValueId next = open.back();
    open.pop_back();
    if (next == kNone) continue;
    const NodeId producer = graph_.value(next).producer;
    if (producer == kNone || !seen_.Insert(producer) || !visit(producer)) continue;
    const ValueIds& inputs = graph_.node(producer).inputs;
    const std::size_t count = std::min(inputs.size(), kMostEdges - edges);
    open.insert(open.end(), inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(count));
    edges += count;
  }
}

void RoleFinder::WalkForward(ValueId value, const std::function<bool(NodeId)>& visit,
                             int most) const {
  std::vector<ValueId> open = {value};
  std::size_t edges = 0;
  seen_.Clear(graph_.nodes().size());
  while (!open.empty() && seen_.count() < most) {
    const ValueId next = open.back();
    open.pop_back();
    if (next == kNone) continue;
    for (const Use& use : graph_.value(next).uses) {
      if (++edges > kMostEdges) return;
      if (!seen_.Insert(use.node) || !visit(use.node)) continue;
      const ValueIds& outputs = graph_.node(use.node).outputs;
      open.insert(open.end(), outputs.begin(), outputs.end());
    }
  }
}

}  // namespace onnxquant
