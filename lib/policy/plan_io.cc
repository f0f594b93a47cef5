#include "lib/policy/plan_io.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/policy/subjects.h"

namespace onnxquant {
namespace {

// Whether the value is a sum of the residual stream that is computed in float32: to hand it out in
// less would lose what that keeps.
bool IsWideSum(const PlanContext& context, SettingsResolver& resolver, ValueId id) {
  if (context.RoleOfValue(id).role != Role::kResidual) return false;
  constexpr int kFewSteps = 4;  // a last Cast or Identity
  NodeId node = context.graph().value(id).producer;
  for (int i = 0; i < kFewSteps && node != kNone; ++i) {
    if (context.RoleOfNode(node).Is(Role::kResidual)) {
      const Subject sum = SubjectOf(context, node);
      return resolver.Resolve({&sum, 1}).compute == ElementType::kFloat;
    }
    node = context.graph().ProducerOf(node, 0);
  }
  return false;
}

// Logits are read by samplers that expect float32; they change only when a rule says so. `fixed`:
// the value keeps its type whatever the policy says.
IoPlan PlanValue(const PlanContext& context, SettingsResolver& resolver, ValueId id, bool fixed) {
  const NodeRole& role = context.RoleOfValue(id);
  Subject subject;
  subject.role = NameOf(role.role);
  subject.also = NameOf(role.also);
  subject.name = context.graph().value(id).name;
  subject.layer = role.layer;
  subject.layers = context.analysis.roles.layers;
  subject.io = !fixed;
  Resolved resolved = resolver.Resolve({&subject, 1});
  resolved.why = OnlyFor(kIoField, resolved.why);
  if (fixed) {
    resolved.io = context.OriginalType(id);
    resolved.why = {
        {"the value that the model has for it", absl::StrCat("io: ", NameOf(resolved.io))}};
  } else if (resolved.io == kAsInSource) {
    resolved.io = context.OriginalType(id);
  } else if (!resolved.io_by_rule &&
             (role.role == Role::kLogits || IsWideSum(context, resolver, id))) {
    resolved.io = ElementType::kFloat;
    resolved.why.push_back({absl::StrCat("the role ", NameOf(role.role)), "io: float32"});
  }
  return {id, resolved.io, std::move(resolved.why)};
}

}  // namespace

std::vector<IoPlan> PlanIo(const PlanContext& context, SettingsResolver& resolver) {
  std::vector<IoPlan> io;
  for (const bool inputs : {true, false}) {
    for (ValueId id = 0; id < context.value_count(); ++id) {
      const Value& value = context.graph().value(id);
      if (value.scope != kMainScope || !IsFloat(context.OriginalType(id))) continue;
      if (inputs ? !value.graph_input : (value.graph_input || !value.graph_output)) continue;
      // A default value keeps its type, and so does what no Cast can read.
      const bool fixed =
          (inputs && value.initializer != nullptr) || value.sparse_initializer != nullptr;
      io.push_back(PlanValue(context, resolver, id, fixed));
    }
  }
  return io;
}

IoTypes TypesWith(const PlanContext& context, const std::vector<IoPlan>& io) {
  IoTypes types(context.analysis.types.begin(), context.analysis.types.end());
  for (const IoPlan& one : io) types[one.value] = one.type;
  return types;
}

}  // namespace onnxquant
