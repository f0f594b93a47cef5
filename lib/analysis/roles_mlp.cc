#include "absl/strings/str_cat.h"
#include "lib/analysis/role_finder.h"

namespace onnxquant {

// Whether the projection's output joins the stream: a residual Add, met before any other weights.
bool RoleFinder::EndsInResidual(NodeId matmul) const {
  bool residual = false;
  WalkForward(Output(matmul), [&](NodeId node) {
    const Role role = RoleAt(node);
    if (role == Role::kResidual ||
        Is(node, {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"})) {
      residual = true;
      return false;
    }
    return role == Role::kNorm || Is(node, {"Add", "Mul", "Div", "Cast", "Reshape", "Identity",
                                            "Dropout", "Squeeze", "Unsqueeze", "Transpose"});
  });
  return residual;
}

bool RoleFinder::HasActivation(ValueId value) const {
  bool found = false;
  WalkBack(value, [&](NodeId node) {
    if (HoldsWeights(node) || RoleAt(node) == Role::kNorm) return false;
    found = found ||
            Is(node, {"Gelu", "FastGelu", "QuickGelu", "BiasGelu", "Sigmoid", "Tanh", "Erf", "Relu",
                      "Elu", "HardSwish", "HardSigmoid", "Swish", "Softplus", "LeakyRelu", "Mish"});
    return true;
  });
  return found;
}

// Mul(activation(gate), up), on either side.
void RoleFinder::SplitGated(NodeId mul, const std::string& down) {
  const bool first_is_gate = HasActivation(Input(mul, 0));
  const ValueId gate = Input(mul, first_is_gate ? 0 : 1);
  const ValueId up = Input(mul, first_is_gate ? 1 : 0);
  for (const NodeId id : ProjectionsBehind(gate)) {
    Assign(id, Role::kGateProj, absl::StrCat("goes through the activation before ", down));
  }
  for (const NodeId id : ProjectionsBehind(up)) {
    Assign(id, Role::kUpProj, absl::StrCat("is multiplied by the gate before ", down));
  }
}

void RoleFinder::FindMlps() {
  for (const NodeId id : graph_.order()) {
    if (!IsWeightMatMul(id) || RoleAt(id) != Role::kNone || !EndsInResidual(id)) continue;
    const std::string name = graph_.Describe(id);
    const std::vector<NodeId> makers = ProjectionsBehind(Input(id, 0));
    if (makers.empty() || makers.size() > 2 || !HasActivation(Input(id, 0))) continue;
    Assign(id, Role::kDownProj, "leads from an activation back to a residual Add");
    NodeId product = kNone;  // the last Mul of two activations before it
    WalkBack(Input(id, 0), [&](NodeId node) {
      if (product != kNone || HoldsWeights(node)) return false;
      if (Is(node, {"Mul"}) && !IsConstant(Input(node, 0)) && !IsConstant(Input(node, 1))) {
        product = node;
      }
      return product == kNone;
    });
    if (makers.size() == 2 && product != kNone) {
      SplitGated(product, name);
    } else if (makers.size() == 1) {
      Assign(makers[0], Role::kUpProj, absl::StrCat("goes through an activation into ", name));
    }
  }
}

}  // namespace onnxquant
