#include "lib/rewrite/value_names.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

absl::btree_map<ValueId, ElementType> FindCastOutputs(const RewriteInput& input) {
  absl::btree_map<ValueId, ElementType> outputs;
  for (const IoPlan& io : input.plan.io) {
    const Value& value = input.graph().value(io.value);
    if (!value.graph_output || value.graph_input || input.TypeOf(io.value) == io.type) continue;
    outputs[io.value] = io.type;
  }
  return outputs;
}

// A graph output keeps its name also where what made it is left out: what stands for it takes the
// name.
void NameWhatStandsForOutputs(const RewriteInput& input, OutputNames& names) {
  const Graph& graph = input.graph();
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    if (!input.PlanOf(id).passes) continue;
    const ValueId made = graph.node(id).outputs[0];
    const Value& output = graph.value(made);
    if (!output.graph_output || output.scope != kMainScope) continue;
    names.renamed[input.ReadInPlaceOf(made)] = output.name;
  }
}

// What is left out is called as what its readers read instead.
void NameWhatIsLeftOut(const RewriteInput& input, const StoredConstants& constants,
                       OutputNames& names) {
  for (const NodeId id : input.graph().order()) {
    if (!input.PlanOf(id).passes) continue;
    const Node& node = input.graph().node(id);
    const Reading reading = constants.ReadBy({id, 0});
    std::string name = reading.copy != nullptr && reading.directly ? reading.copy->names[0]
                                                                   : names.Of(node.inputs[0]);
    names.renamed[node.outputs[0]] = std::move(name);
  }
}

}  // namespace

// What is left out leaves its names to what takes its place, so that a model which is converted
// again comes out the same.
TakenNames FindTakenNames(const RewriteInput& input) {
  TakenNames taken;
  const Graph& graph = input.graph();
  for (const Value& value : graph.values()) {
    const bool gone = value.producer != kNone && input.PlanOf(value.producer).passes;
    if (!gone || (value.graph_output && value.scope == kMainScope)) {
      taken.values.Insert(value.name);
    }
  }
  for (const NodeId id : graph.order()) {
    if (!input.PlanOf(id).passes) taken.nodes.Insert(graph.node(id).proto->name());
  }
  for (const WeightPlan& weight : input.plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      for (const std::string& name : copy.names) taken.values.Insert(name);
    }
  }
  return taken;
}

OutputNames NameValues(const RewriteInput& input, const StoredConstants& constants,
                       UniqueNames& taken) {
  OutputNames names;
  names.graph = &input.graph();
  names.cast_outputs = FindCastOutputs(input);
  NameWhatStandsForOutputs(input, names);
  for (const auto& [output, type] : names.cast_outputs) {
    names.renamed[output] = taken.Take(
        absl::StrCat(input.graph().value(output).name, "_", NameOf(input.TypeOf(output))));
  }
  NameWhatIsLeftOut(input, constants, names);
  return names;
}

}  // namespace onnxquant
