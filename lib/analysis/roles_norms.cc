// Norms that are spelt out in elementary nodes, as exporters without fusion leave them.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/small_constants.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr int kLongestChain = 8;  // from the mean of squares to the product with its inverse root

class NormFinder {
 public:
  NormFinder(const RoleFacts& facts, Roles& roles)
      : facts_(facts), graph_(facts.graph), roles_(roles) {}

  // x · 1 / √(mean(x²) + ε), with x = y - mean(y) where the mean is taken out; then gain and bias.
  void LookFrom(NodeId reduction) {
    if (!ReducesOneAxis(reduction)) return;
    const NodeId square = MakerOf(InputOf(graph_, reduction, 0));
    if (!IsSquare(square)) return;
    normalized_ = Before(InputOf(graph_, square, 0));
    nodes_ = {square, reduction};
    if (!FollowRoot(OutputOf(graph_, reduction))) return;
    const bool centred = TakeCentering();
    TakeParameter("Mul");
    if (centred) TakeParameter("Add");
    const NodeId end = graph_.value(end_).producer;
    const std::string why =
        absl::StrCat("part of the norm that is spelt out from '", graph_.value(normalized_).name,
                     "' to '", graph_.value(end_).name, "'");
    for (const NodeId node : nodes_) Assign(node, Role::kNorm, why, roles_);
    roles_.spelt_norms[end] = centred;
  }

 private:
  ValueId Before(ValueId value) const { return value == kNone ? kNone : facts_.uncast[value]; }

  NodeId MakerOf(ValueId value) const {
    return value == kNone ? kNone : graph_.value(Before(value)).producer;
  }

  bool IsConstant(ValueId value) const { return ConstantBehind(graph_, value) != kNone; }

  bool ReducesOneAxis(NodeId node) const {
    if (!IsAnyOf(graph_, node, {"ReduceMean"})) return false;
    const onnx::AttributeProto* axes = FindAttribute(*graph_.node(node).proto, "axes");
    if (axes != nullptr) return axes->ints_size() == 1;
    return SmallScalar(graph_, InputOf(graph_, node, 1)).has_value();
  }

  bool IsSquare(NodeId node) const {
    if (IsAnyOf(graph_, node, {"Pow"})) return SmallScalar(graph_, InputOf(graph_, node, 1)) == 2.0;
    return IsAnyOf(graph_, node, {"Mul"}) && InputOf(graph_, node, 0) == InputOf(graph_, node, 1);
  }

  // Whether the way from the mean of squares ends in a product with what was squared.
  bool FollowRoot(ValueId value) {
    for (int steps = 0; steps < kLongestChain && value != kNone; ++steps) {
      const absl::Span<const Use> uses = graph_.value(value).uses;
      if (uses.size() != 1) return false;
      const Use use = uses.front();
      const ValueId other = InputOf(graph_, use.node, 1 - use.input);
      const bool divides = IsAnyOf(graph_, use.node, {"Div"}) && use.input == 1;
      if ((divides || IsAnyOf(graph_, use.node, {"Mul"})) && other != kNone &&
          Before(other) == normalized_) {
        nodes_.push_back(use.node);
        end_ = OutputOf(graph_, use.node);
        return rooted_ && end_ != kNone;
      }
      if (!Passes(use, other)) return false;
      value = OutputOf(graph_, use.node);
    }
    return false;
  }

  bool Passes(const Use& use, ValueId other) {
    if (IsAnyOf(graph_, use.node, {"Cast", "Identity"})) return true;
    nodes_.push_back(use.node);
    if (IsAnyOf(graph_, use.node, {"Sqrt", "Pow"})) {
      const std::optional<double> exponent = SmallScalar(graph_, other);
      rooted_ = IsAnyOf(graph_, use.node, {"Sqrt"}) || exponent == 0.5 || exponent == -0.5;
      return rooted_;
    }
    if (IsAnyOf(graph_, use.node, {"Reciprocal", "Clip"})) return use.input == 0;
    return IsAnyOf(graph_, use.node, {"Add", "Max", "Div", "Mul"}) && IsConstant(other);
  }

  bool TakeCentering() {
    const NodeId sub = graph_.value(normalized_).producer;
    if (!IsAnyOf(graph_, sub, {"Sub"})) return false;
    const NodeId mean = MakerOf(InputOf(graph_, sub, 1));
    if (!IsAnyOf(graph_, mean, {"ReduceMean"}) ||
        Before(InputOf(graph_, mean, 0)) != Before(InputOf(graph_, sub, 0))) {
      return false;
    }
    nodes_.insert(nodes_.end(), {mean, sub});
    return true;
  }

  // The gain, or the bias: constants of more than one element, also such as a node makes of them.
  void TakeParameter(const char* op) {
    ValueId value = end_;
    Use use;
    for (int steps = 0; steps < 2; ++steps) {
      if (graph_.value(value).uses.size() != 1) return;
      use = graph_.value(value).uses.front();
      if (!IsAnyOf(graph_, use.node, {"Cast"})) break;
      value = OutputOf(graph_, use.node);
      if (value == kNone) return;
    }
    if (!IsAnyOf(graph_, use.node, {op}) || graph_.node(use.node).inputs.size() != 2) return;
    const ValueId parameter = InputOf(graph_, use.node, 1 - use.input);
    if (parameter == kNone || OutputOf(graph_, use.node) == kNone) return;
    const NodeId maker = MakerOf(parameter);
    if (IsAnyOf(graph_, maker, {"Add"}) && IsConstant(InputOf(graph_, maker, 0)) &&
        IsConstant(InputOf(graph_, maker, 1))) {
      nodes_.push_back(maker);  // 1 + w
    } else if (!IsVector(parameter)) {
      return;
    }
    nodes_.push_back(use.node);
    end_ = OutputOf(graph_, use.node);
  }

  bool IsVector(ValueId value) const {
    const ValueId constant = ConstantBehind(graph_, value);
    const auto shape = ConstantShape(graph_, constant);
    return shape && !shape->empty() && shape->back() > 1;
  }

  const RoleFacts& facts_;
  const Graph& graph_;
  Roles& roles_;
  ValueId normalized_ = kNone;
  ValueId end_ = kNone;
  std::vector<NodeId> nodes_;
  bool rooted_ = false;
};

}  // namespace

bool TakesOutMean(const Graph& graph, NodeId norm, const Roles& roles) {
  const auto spelt = roles.spelt_norms.find(norm);
  if (spelt != roles.spelt_norms.end()) return spelt->second;
  return IsAnyOf(graph, norm, {"LayerNormalization", "SkipLayerNormalization"});
}

void FindSpeltNorms(const RoleFacts& facts, Roles& roles) {
  for (const NodeId id : facts.graph.order()) NormFinder(facts, roles).LookFrom(id);
}

}  // namespace onnxquant
