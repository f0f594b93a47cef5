#include "lib/calibrate/gradient_plan.h"

#include <utility>

#include "lib/analysis/ranks.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/gradient/gradient.h"

namespace onnxquant {
namespace {

bool IsUtf8(const std::string& name) {
  return ValidUtf8Prefix(name) == name.size();
}

void AddProducts(const Graph& graph, const ObservedValues& targets, GradientPlan& plan) {
  for (const ObservedValue& target : targets.values) {
    if (target.along.axis != kNone) continue;  // a token has no row of them
    for (std::size_t i = 0; i < target.readers.size(); ++i) {
      const NodeId reader = target.readers[i].node;
      const std::string& output = graph.node(reader).proto->output(0);
      if (IsMixtureOfExperts(graph, reader) || !IsUtf8(output)) continue;
      GradientPlan::Place& place = plan.places.emplace_back();
      place.info = {output, false, target.size, target.outputs[i], 0};
      place.value = target.name;
      place.layer = target.layer;
    }
  }
}

void AddLookups(const Graph& graph, const ValueTypes& types, GradientPlan& plan) {
  for (const NodeId id : graph.order(kMainScope)) {
    const Node& node = graph.node(id);
    if (graph.OpName(id) != "Gather" || IntAttribute(*node.proto, "axis", 0) != 0) continue;
    const auto shape = ConstantShape(graph, node.inputs[0]);
    const std::string& output = node.proto->output(0);
    if (!shape || shape->size() != 2 || !IsFloat(types[node.inputs[0]]) || !IsUtf8(output))
      continue;
    plan.places.emplace_back().info = {output, true, shape->back(), shape->back(), 0};
  }
}

}  // namespace

absl::StatusOr<GradientPlan> PlanGradients(const Graph& graph, const ValueTypes& types,
                                           const ObservedValues& targets,
                                           const std::string& origin) {
  const bool reads_text = graph.Find(kMainScope, "input_ids") != kNone ||
                          graph.Find(kMainScope, "decoder_input_ids") != kNone;
  const ValueId logits = graph.Find(kMainScope, "logits");
  if (!reads_text || logits == kNone || RankOf(graph, logits) != 3) {
    return ModelError(origin, ": is no language model: it takes no token ids, or gives no logits ",
                      "[batch, sequence, vocabulary]");
  }
  GradientPlan all;
  AddLookups(graph, types, all);
  AddProducts(graph, targets, all);
  GradientTask task;
  for (const GradientPlan::Place& place : all.places) task.targets.push_back(place.info.output);
  ONNXQUANT_ASSIGN_OR_RETURN(const GradientModel model, BuildGradient(graph, types, task, origin));
  GradientPlan plan;
  for (std::size_t i = 0; i < all.places.size(); ++i) {
    if (!model.gradients[i].empty()) plan.places.push_back(std::move(all.places[i]));
  }
  if (!plan.places.empty()) return plan;
  return ModelError(origin, ": its logits hang on no product whose input is observed");
}

}  // namespace onnxquant
