#include "lib/analysis/onnx_inference.h"

#include <utility>

#include "absl/functional/function_ref.h"
#include "lib/schema/guarded_inference.h"

namespace onnxquant {
namespace {

constexpr int kMostDims = 64;  // no tensor that anything computes with has more

using Visit = absl::FunctionRef<void(ValueId, const onnx::ValueInfoProto&)>;

// Walks the scopes in the order in which Graph::Build numbered them.
void VisitInfos(const Graph& graph, const onnx::GraphProto& proto, ScopeId& next, Visit visit) {
  const ScopeId scope = next++;
  for (const auto* infos : {&proto.input(), &proto.output(), &proto.value_info()}) {
    for (const onnx::ValueInfoProto& info : *infos) {
      const ValueId id = graph.Find(scope, info.name());
      if (id != kNone && info.type().has_tensor_type()) visit(id, info);
    }
  }
  for (const onnx::NodeProto& node : proto.node()) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) VisitInfos(graph, attribute.g(), next, visit);
      for (const onnx::GraphProto& body : attribute.graphs()) VisitInfos(graph, body, next, visit);
    }
  }
}

void VisitInferred(const Graph& graph, Visit visit) {
  onnx::ModelProto model = graph.model();
  InferShapesGuarded(model);
  ScopeId next = kMainScope;
  VisitInfos(graph, model.graph(), next, visit);
}

}  // namespace

ValueTypes InferWithOnnx(const Graph& graph) {
  ValueTypes types(graph.values().size(), ElementType::kUndefined);
  VisitInferred(graph, [&types](ValueId id, const onnx::ValueInfoProto& info) {
    const auto type = ElementTypeFromOnnx(info.type().tensor_type().elem_type());
    if (type.ok()) types[id] = *type;
  });
  return types;
}

DimNames OpenDims(const Graph& graph) {
  DimNames names;
  for (const onnx::ValueInfoProto& input : graph.model().graph().input()) {
    for (const auto& dim : input.type().tensor_type().shape().dim()) {
      if (!dim.dim_param().empty()) names.insert(dim.dim_param());
    }
  }
  return names;
}

std::optional<std::vector<std::int64_t>> DeclaredShape(const onnx::ValueInfoProto& info,
                                                       const DimNames& open) {
  if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) return std::nullopt;
  if (info.type().tensor_type().shape().dim_size() > kMostDims) return std::nullopt;
  std::vector<std::int64_t> dims;
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    const bool known = dim.has_dim_value() && dim.dim_value() >= 0;
    dims.push_back(known                            ? dim.dim_value()
                   : open.contains(dim.dim_param()) ? kOpenDim
                                                    : kUnknownDim);
  }
  return dims;
}

InferredShapes InferShapesWithOnnx(const Graph& graph, const DimNames& open) {
  InferredShapes shapes;
  VisitInferred(graph, [&](ValueId id, const onnx::ValueInfoProto& info) {
    const onnx::ValueInfoProto* declared = graph.value(id).declared;
    if (declared != nullptr && DeclaredShape(*declared, open)) return;
    if (auto shape = DeclaredShape(info, open)) shapes[id] = *std::move(shape);
  });
  return shapes;
}

}  // namespace onnxquant
