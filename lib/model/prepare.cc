#include "lib/model/prepare.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/unique_names.h"
#include "lib/model/function_calls.h"
#include "lib/model/function_imports.h"
#include "lib/model/remove_unread.h"
#include "lib/model/sort_nodes.h"
#include "lib/model/tensor_check.h"
#include "lib/schema/domain.h"
#include "lib/schema/guarded_inference.h"
#include "lib/schema/node_check.h"
#include "onnx/inliner/inliner.h"
#include "onnx/version_converter/convert.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kFirstIrWithoutWeightInputs = 4;

// ONNX Runtime refuses most graphs in which two nodes have one name. Returns how many got another.
int MakeNodeNamesUnique(onnx::GraphProto& graph) {
  int renamed = 0;
  UniqueNames names;
  for (const onnx::NodeProto& node : graph.node()) names.Insert(node.name());
  absl::flat_hash_set<absl::string_view> given;
  std::vector<std::pair<onnx::NodeProto*, std::string>> others;  // `names` looks into the nodes
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (!node.name().empty() && !given.insert(node.name()).second) {
      others.emplace_back(&node, names.Take(node.name()));
    }
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) renamed += MakeNodeNamesUnique(*attribute.mutable_g());
    }
  }
  for (auto& [node, name] : others) node->set_name(std::move(name));
  return renamed + static_cast<int>(others.size());
}

absl::Status InlineFunctions(onnx::ModelProto& model, const std::string& origin,
                             std::vector<std::string>& notes) {
  if (model.functions_size() == 0) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(CheckCalls(model, origin));
  const int before = model.functions_size();
  const int imports = model.opset_import_size();
  ImportOpsetsOfFunctions(model);
  try {
    onnx::inliner::InlineLocalFunctions(model);
  } catch (const std::exception& error) {
    return ModelError(origin, ": its local functions cannot be inlined: ", error.what());
  }
  DropUnusedImports(model, imports);
  MakeNodeNamesUnique(*model.mutable_graph());  // a function's names come again with each call
  notes.push_back(absl::StrCat(before - model.functions_size(), " of ", before,
                               " local functions were inlined"));
  return absl::OkStatus();
}

void SeparateWeightsFromInputs(onnx::ModelProto& model, std::vector<std::string>& notes) {
  if (model.ir_version() >= kFirstIrWithoutWeightInputs) return;
  absl::flat_hash_set<std::string> weights;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) weights.insert(tensor.name());
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> inputs;
  for (onnx::ValueInfoProto& input : *model.mutable_graph()->mutable_input()) {
    if (!weights.contains(input.name())) *inputs.Add() = std::move(input);
  }
  notes.push_back(absl::StrCat("IR version raised from ", model.ir_version(), " to ",
                               kFirstIrWithoutWeightInputs,
                               ", so that weights need not be graph inputs"));
  model.set_ir_version(kFirstIrWithoutWeightInputs);
  *model.mutable_graph()->mutable_input() = std::move(inputs);
}

// ONNX's own code reads tensors as it finds them, so they must be sound before it is called.
absl::Status CheckTensors(const onnx::ModelProto& model, const std::string& origin) {
  return VisitTensors(model, [&](const onnx::TensorProto& tensor, const std::string& place) {
    absl::Status status = CheckTensor(tensor).status();
    if (status.ok()) return status;
    return MakeError(KindOf(status),
                     absl::StrCat(origin, ": ", place, ": ", std::string(status.message())));
  });
}

absl::Status CheckInterface(const onnx::GraphProto& graph, const std::string& origin) {
  if (graph.output_size() == 0) {
    return ModelError(origin,
                      ": its graph has no outputs, so nothing that it computes can be read: export "
                      "the model again");
  }
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (input.type().value_case() != onnx::TypeProto::VALUE_NOT_SET) continue;
    return ModelError(origin, ": graph input '", input.name(),
                      "' declares no type, which ONNX asks of every input: export the model again");
  }
  return absl::OkStatus();
}

// The converter goes through a representation of its own, which knows nothing of payloads outside
// the message: the tensors come back from the original.
absl::Status RaiseOpset(onnx::ModelProto& model, const std::string& origin, int least_opset,
                        std::vector<std::string>& notes) {
  std::int64_t opset = 0;
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    if (IsOnnxDomain(import.domain())) opset = import.version();
  }
  if (opset == 0 || opset >= least_opset) return absl::OkStatus();
  onnx::ModelProto raised;
  try {
    // As ConvertVersion does, but for the inference, which it leaves unguarded.
    onnx::ModelProto inferred = model;
    InferShapesGuarded(inferred);
    static const onnx::version_conversion::DefaultVersionConverter converter;
    raised = converter.convert_version(inferred, onnx::OpSetID(opset), onnx::OpSetID(least_opset));
  } catch (const std::exception& error) {
    return ModelError(
        origin, ": opset ", opset, " must be raised to ", least_opset,
        " for this conversion, which ONNX's version converter cannot do: ", error.what());
  }
  absl::flat_hash_map<std::string, onnx::TensorProto*> originals;
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    originals[tensor.name()] = &tensor;
  }
  for (onnx::TensorProto& tensor : *raised.mutable_graph()->mutable_initializer()) {
    const auto original = originals.find(tensor.name());
    if (original != originals.end()) tensor.Swap(original->second);
  }
  *raised.mutable_metadata_props() = model.metadata_props();
  model = std::move(raised);
  notes.push_back(absl::StrCat("opset raised from ", opset, " to ", least_opset));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Prepare(onnx::ModelProto& model, const std::string& origin,
                                                 int least_opset) {
  ONNXQUANT_RETURN_IF_ERROR(CheckInterface(model.graph(), origin));
  ONNXQUANT_RETURN_IF_ERROR(CheckTensors(model, origin));
  std::vector<std::string> notes;
  if (const int renamed = MakeNodeNamesUnique(*model.mutable_graph()); renamed > 0) {
    notes.push_back(renamed == 1
                        ? "1 node name was taken; that node got another"
                        : absl::StrCat(renamed, " node names were taken; those nodes got others"));
  }
  ONNXQUANT_RETURN_IF_ERROR(InlineFunctions(model, origin, notes));
  SeparateWeightsFromInputs(model, notes);
  if (const std::size_t unread = RemoveUnread(*model.mutable_graph()); unread > 0) {
    notes.push_back(absl::StrCat(unread, " nodes that nothing reads were left out"));
  }
  SortNodes(*model.mutable_graph());
  ONNXQUANT_RETURN_IF_ERROR(CheckNodes(model, origin));
  ONNXQUANT_RETURN_IF_ERROR(RaiseOpset(model, origin, least_opset, notes));
  return notes;
}

}  // namespace onnxquant
