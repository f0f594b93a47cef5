#include "lib/trace/traced_model.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/analysis/roles.h"
#include "lib/analysis/types.h"
#include "lib/base/error.h"
#include "lib/graph/graph.h"
#include "lib/model/external_data.h"
#include "lib/model/serialize.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kSmallConstant = 65536;  // elements

std::int64_t Elements(const onnx::TensorProto& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t size : tensor.dims()) elements *= size;
  return elements;
}

// By value: the elements of the largest initializer that it is made of; -1 where it depends on an
// input of the graph or on a body.
std::vector<std::int64_t> FindConstants(const Graph& graph) {
  std::vector<std::int64_t> largest(graph.values().size(), -1);
  for (std::size_t i = 0; i < largest.size(); ++i) {
    const Value& value = graph.values()[i];
    if (value.initializer != nullptr && !value.graph_input) {
      largest[i] = Elements(*value.initializer);
    }
  }
  for (const NodeId id : graph.order(kMainScope)) {
    const Node& node = graph.node(id);
    std::int64_t made = node.bodies.empty() ? 0 : -1;
    for (const ValueId input : node.inputs) {
      if (input == kNone || made < 0) continue;
      const std::int64_t read = largest[static_cast<std::size_t>(input)];
      made = read < 0 ? -1 : std::max(made, read);
    }
    for (const ValueId output : node.outputs) {
      if (output != kNone) largest[static_cast<std::size_t>(output)] = made;
    }
  }
  return largest;
}

}  // namespace

struct TracedModel::State {
  std::string path;
  std::string folder;  // of its external data
  onnx::ModelProto model;
  std::vector<TracedValue> values;
  int layers = 0;
};

TracedModel::TracedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
TracedModel::TracedModel(TracedModel&&) noexcept = default;
TracedModel& TracedModel::operator=(TracedModel&&) noexcept = default;
TracedModel::~TracedModel() = default;

absl::StatusOr<TracedModel> TracedModel::Load(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  // With the payloads that stand in the file itself: the runtime needs them.
  ONNXQUANT_ASSIGN_OR_RETURN(state->model, ReadWholeModel(path));
  state->folder = ResolveLocations(path, state->model);
  ONNXQUANT_ASSIGN_OR_RETURN(const Graph graph, Graph::Build(state->model, path));
  ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes types, InferTypes(graph, path));
  const Roles roles = FindRoles(graph);
  state->layers = roles.layers;
  const std::vector<std::int64_t> constants = FindConstants(graph);
  absl::flat_hash_map<ValueId, std::size_t> traced;
  for (const NodeId id : graph.order(kMainScope)) {
    const Node& node = graph.node(id);
    TracedValue value;
    value.node = graph.Describe(id);
    value.op = graph.OpName(id);
    value.layer = roles.nodes[id].layer;
    for (const ValueId input : node.inputs) {
      const auto found = traced.find(input);
      if (found != traced.end()) value.inputs.push_back(found->second);
    }
    for (const ValueId output : node.outputs) {
      if (output == kNone || !IsFloat(types[static_cast<std::size_t>(output)])) continue;
      if (constants[static_cast<std::size_t>(output)] > kSmallConstant) continue;
      value.name = graph.value(output).name;
      traced[output] = state->values.size();
      state->values.push_back(value);
    }
  }
  return TracedModel(std::move(state));
}

const std::vector<TracedValue>& TracedModel::values() const {
  return state_->values;
}

int TracedModel::layers() const {
  return state_->layers;
}

absl::StatusOr<ModelSource> TracedModel::WithOutputs(absl::Span<const std::size_t> values) const {
  onnx::ModelProto model = state_->model;
  absl::flat_hash_set<std::string> given;
  for (const auto& output : model.graph().output()) given.insert(output.name());
  for (const std::size_t index : values) {
    const std::string& name = state_->values[index].name;
    // Runtimes infer the type of an output that declares none.
    if (given.insert(name).second) model.mutable_graph()->add_output()->set_name(name);
  }
  std::string bytes;
  ONNXQUANT_RETURN_IF_ERROR(SerializeModel(model, &bytes));
  return ModelSource{state_->path, std::make_shared<const std::string>(std::move(bytes)),
                     state_->folder};
}

}  // namespace onnxquant
