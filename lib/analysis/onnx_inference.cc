#include "lib/analysis/onnx_inference.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <utility>

#include "onnx/shape_inference/implementation.h"

namespace onnxquant {
namespace {

constexpr const char* kFragile[] = {"DictVectorizer", "EyeLike", "LabelEncoder", "RegexFullMatch"};

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

  std::vector<ElementType> Types() && { return std::move(types_); }

 private:
  void Take(ScopeId scope, const onnx::ValueInfoProto& info) {
    const ValueId id = graph_.Find(scope, info.name());
    if (id == kNone || !info.type().has_tensor_type()) return;
    const auto type = ElementTypeFromOnnx(info.type().tensor_type().elem_type());
    if (type.ok()) types_[static_cast<std::size_t>(id)] = *type;
  }

  const Graph& graph_;
  ScopeId next_ = kMainScope;
  std::vector<ElementType> types_;
};

// ONNX's inference of these operators reads the type of the first input without asking whether it
// has one (onnx 1.23: a null pointer). No operator of this domain is known to it, so it passes them
// by; what they give is typed by the table, or has no floats.
void HideFragile(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) {
  for (onnx::NodeProto& node : nodes) {
    const auto is_node = [&](const char* op) { return node.op_type() == op; };
    if (std::any_of(std::begin(kFragile), std::end(kFragile), is_node)) {
      node.set_domain("onnxquant.hidden");
    }
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) HideFragile(*attribute.mutable_g()->mutable_node());
      for (onnx::GraphProto& body : *attribute.mutable_graphs()) HideFragile(*body.mutable_node());
    }
  }
}

}  // namespace

std::vector<ElementType> InferWithOnnx(const Graph& graph) {
  onnx::ModelProto model = graph.model();
  HideFragile(*model.mutable_graph()->mutable_node());
  for (onnx::FunctionProto& function : *model.mutable_functions()) {
    HideFragile(*function.mutable_node());
  }
  try {
    onnx::shape_inference::InferShapes(model);
  } catch (const std::exception&) {
    // What it knew before it gave up is in the model all the same.
  }
  Collector collector(graph);
  collector.Collect(model.graph());
  return std::move(collector).Types();
}

}  // namespace onnxquant
