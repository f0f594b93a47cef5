#include "lib/schema/node_check.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/schema/domain.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

class NodeChecker {
 public:
  NodeChecker(const OpsetImports& imports, const std::string& place)
      : imports_(imports), place_(place) {}

  absl::Status Nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) const {
    for (const onnx::NodeProto& node : nodes) {
      ONNXQUANT_RETURN_IF_ERROR(One(node));
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) ONNXQUANT_RETURN_IF_ERROR(Nodes(attribute.g().node()));
        for (const onnx::GraphProto& body : attribute.graphs()) {
          ONNXQUANT_RETURN_IF_ERROR(Nodes(body.node()));
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status One(const onnx::NodeProto& node) const {
    const onnx::OpSchema* schema = FindSchema(imports_, node);
    if (schema == nullptr) return absl::OkStatus();
    try {
      schema->Verify(node);
    } catch (const std::exception& error) {
      return ModelError(place_, ": ", DescribeNode(node), " is not as ONNX defines ",
                        schema->Name(), " since opset ", schema->SinceVersion(), ": ", error.what(),
                        ": export the model again");
    }
    return absl::OkStatus();
  }

  const OpsetImports& imports_;
  const std::string& place_;
};

}  // namespace

std::string DescribeNode(const onnx::NodeProto& node) {
  const std::string op = IsOnnxDomain(node.domain())
                             ? node.op_type()
                             : absl::StrCat(node.domain(), "::", node.op_type());
  if (!node.name().empty()) return absl::StrCat("node '", node.name(), "' (", op, ")");
  return absl::StrCat("the unnamed ", op, " node that makes '",
                      node.output_size() > 0 ? node.output(0) : "nothing", "'");
}

absl::Status CheckNodes(const onnx::ModelProto& model, const std::string& origin) {
  ONNXQUANT_RETURN_IF_ERROR(NodeChecker(model.opset_import(), origin).Nodes(model.graph().node()));
  for (const onnx::FunctionProto& function : model.functions()) {
    const std::string place = absl::StrCat(origin, ": local function '", function.name(), "'");
    ONNXQUANT_RETURN_IF_ERROR(NodeChecker(function.opset_import(), place).Nodes(function.node()));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
