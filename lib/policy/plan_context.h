// What every stage of planning reads and none changes.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_CONTEXT_H_
#define ONNXQUANT_LIB_POLICY_PLAN_CONTEXT_H_

#include <cstddef>
#include <string>

#include "absl/types/span.h"
#include "lib/analysis/rope_fit.h"
#include "lib/policy/plan.h"
#include "lib/policy/uses_by_reader.h"
#include "lib/policy/weight_lattices.h"

namespace onnxquant {

struct PlanContext {
  const Analysis& analysis;
  const UsesByReader& uses_by_reader;
  const OutputSpec& output;
  const Evidence& evidence;
  const std::string& origin;                 // names the model in messages
  ElementType half = ElementType::kFloat16;  // the 16-bit type that the output uses
  // By cache of Analysis::rope; empty where the policy does not ask for them.
  absl::Span<const RopeFit> rope_fits = {};
  // Where the policy asks for them; null: it does not.
  const WeightLattices* lattices = nullptr;
  absl::Span<const TargetAsked> targets = {};

  const Graph& graph() const { return analysis.graph; }
  NodeId node_count() const { return static_cast<NodeId>(analysis.graph.nodes().size()); }
  ValueId value_count() const { return static_cast<ValueId>(analysis.graph.values().size()); }
  const NodeTraits& Traits(NodeId id) const { return analysis.Traits(id, half); }
  ElementType OriginalType(ValueId id) const { return analysis.types[id]; }
  const NodeRole& RoleOfNode(NodeId id) const { return analysis.roles.nodes[id]; }
  NodeRole RoleOfValue(ValueId id) const { return analysis.roles.OfValue(id); }
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_CONTEXT_H_
