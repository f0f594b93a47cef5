#include "lib/calibrate/observed_model.h"

#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/graph/graph.h"
#include "lib/model/external_data.h"
#include "lib/model/serialize.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

constexpr char kLogits[] = "logits";

// The nodes that these outputs hang on. What a body reads counts as needed.
absl::flat_hash_set<const onnx::NodeProto*> NodesNeeded(
    const Graph& graph, const absl::flat_hash_set<std::string>& outputs) {
  absl::flat_hash_set<ValueId> read;
  for (const std::string& name : outputs) read.insert(graph.Find(kMainScope, name));
  absl::flat_hash_set<const onnx::NodeProto*> needed;
  for (auto id = graph.order().rbegin(); id != graph.order().rend(); ++id) {
    const Node& node = graph.node(*id);
    bool wanted = node.scope != kMainScope;
    for (const ValueId output : node.outputs) wanted |= read.contains(output);
    if (!wanted) continue;
    needed.insert(node.proto);
    read.insert(node.inputs.begin(), node.inputs.end());
    read.erase(kNone);
  }
  return needed;
}

void Prune(const Graph& graph, const absl::flat_hash_set<std::string>& outputs,
           onnx::GraphProto& copy) {
  const auto needed = NodesNeeded(graph, outputs);
  const onnx::GraphProto& original = graph.model().graph();
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  for (int i = 0; i < original.node_size(); ++i) {
    if (needed.contains(&original.node(i))) *nodes.Add() = std::move(*copy.mutable_node(i));
  }
  *copy.mutable_node() = std::move(nodes);
}

// Adds a node that gives the value, turned where it says so; what it gives.
std::string AddCopy(const Graph& graph, const ObservedModel::Observed& observed,
                    onnx::GraphProto& copy) {
  std::string name = absl::StrCat(observed.value, "/observed");
  while (graph.Find(kMainScope, name) != kNone) name += "_";
  onnx::NodeProto& node = *copy.add_node();
  node.set_op_type(observed.along.axis < 0 ? "Identity" : "Transpose");
  node.add_input(observed.value);
  node.add_output(name);
  if (observed.along.axis < 0) return name;
  onnx::AttributeProto& perm = *node.add_attribute();
  perm.set_name("perm");
  perm.set_type(onnx::AttributeProto::INTS);
  for (int axis = 0; axis < observed.along.rank; ++axis) {
    if (axis != observed.along.axis) perm.add_ints(axis);
  }
  perm.add_ints(observed.along.axis);
  return name;
}

}  // namespace

struct ObservedModel::State {
  std::string path;
  std::string folder;  // of its external data
  onnx::ModelProto model;
  std::optional<Graph> graph;
};

ObservedModel::ObservedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObservedModel::ObservedModel(ObservedModel&&) noexcept = default;
ObservedModel& ObservedModel::operator=(ObservedModel&&) noexcept = default;
ObservedModel::~ObservedModel() = default;

absl::StatusOr<ObservedModel> ObservedModel::Load(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  ONNXQUANT_ASSIGN_OR_RETURN(state->model, ReadWholeModel(path));
  state->folder = ResolveLocations(path, state->model);
  ONNXQUANT_ASSIGN_OR_RETURN(Graph graph, Graph::Build(state->model, path));
  state->graph.emplace(std::move(graph));
  return ObservedModel(std::move(state));
}

std::int64_t ObservedModel::vocabulary() const {
  for (const auto& output : state_->model.graph().output()) {
    const auto& shape = output.type().tensor_type().shape();
    if (output.name() != kLogits || shape.dim_size() == 0) continue;
    const auto& last = shape.dim(shape.dim_size() - 1);
    return last.has_dim_value() ? last.dim_value() : -1;
  }
  return -1;
}

absl::StatusOr<ObservedModel::View> ObservedModel::WithOutputs(absl::Span<const Observed> values,
                                                               bool logits) const {
  const Graph& graph = *state_->graph;
  onnx::ModelProto model = state_->model;
  onnx::GraphProto& copy = *model.mutable_graph();
  if (!logits) {
    auto* outputs = copy.mutable_output();
    for (int i = outputs->size() - 1; i >= 0; --i) {
      if (outputs->Get(i).name() == kLogits) outputs->DeleteSubrange(i, 1);
    }
  }
  View view;
  absl::flat_hash_set<std::string> given;
  for (const auto& output : copy.output()) given.insert(output.name());
  absl::flat_hash_set<std::string> wanted = given;
  for (const Observed& observed : values) wanted.insert(observed.value);
  if (!logits) Prune(graph, wanted, copy);
  for (const Observed& observed : values) {
    std::string name = observed.value;
    const ValueId id = graph.Find(kMainScope, name);
    if (id == kNone) {
      return InternalError(state_->path, ": has no value '", name, "' to observe");
    }
    // An input of the graph: what a node makes is an output in every runtime's eyes.
    const bool is_input = graph.value(id).producer == kNone && !given.contains(name);
    if (is_input || observed.along.axis >= 0) name = AddCopy(graph, observed, copy);
    // Runtimes infer the type of an output that declares none.
    if (given.insert(name).second) copy.add_output()->set_name(name);
    view.outputs.push_back(std::move(name));
  }
  std::string bytes;
  ONNXQUANT_RETURN_IF_ERROR(SerializeModel(model, &bytes));
  view.source = {state_->path, std::make_shared<const std::string>(std::move(bytes)),
                 state_->folder};
  return view;
}

}  // namespace onnxquant
