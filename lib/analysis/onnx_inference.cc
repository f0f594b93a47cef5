#include "lib/analysis/onnx_inference.h"

#include <cstddef>
#include <utility>

#include "lib/schema/guarded_inference.h"

namespace onnxquant {
namespace {

// Walks the scopes in the order in which Graph::Build numbered them.
class Collector {
 public:
  explicit Collector(const Graph& graph)
      : graph_(graph), types_(graph.values().size(), ElementType::kUndefined) {}

  void Collect(const onnx::GraphProto& proto) {
    const ScopeId scope = next_++;
    for (const auto* infos : {&proto.input(), &proto.output(), &proto.value_info()}) {
      for (const onnx::ValueInfoProto& info : *infos) Take(scope, info);
    }
    for (const onnx::NodeProto& node : proto.node()) {
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) Collect(attribute.g());
        for (const onnx::GraphProto& body : attribute.graphs()) Collect(body);
      }
    }
  }

  ValueTypes Types() && { return std::move(types_); }

 private:
  void Take(ScopeId scope, const onnx::ValueInfoProto& info) {
    const ValueId id = graph_.Find(scope, info.name());
    if (id == kNone || !info.type().has_tensor_type()) return;
    const auto type = ElementTypeFromOnnx(info.type().tensor_type().elem_type());
    if (type.ok()) types_[id] = *type;
  }

  const Graph& graph_;
  ScopeId next_ = kMainScope;
  ValueTypes types_;
};

}  // namespace

ValueTypes InferWithOnnx(const Graph& graph) {
  onnx::ModelProto model = graph.model();
  InferShapesGuarded(model);
  Collector collector(graph);
  collector.Collect(model.graph());
  return std::move(collector).Types();
}

}  // namespace onnxquant
