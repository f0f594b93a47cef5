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
    const onnx::OpSchema* schema = FindBindingSchema(imports_, node);
    if (schema == nullptr) return absl::OkStatus();
    try {
      schema->Verify(node);
    } catch (const std::exception& error) {
      return ModelError(place_, ": ", DescribeNode(node), " is not as ONNX defines ",
                        schema->Name(), " since opset ", schema->SinceVersion(), ": ", error.what(),
                        ": export the model again");
    }
    return IsOnnxDomain(node.domain()) ? Bodies(node) : absl::OkStatus();
  }

  // How many values a body takes and gives at least, by its node's.
  absl::Status Bodies(const onnx::NodeProto& node) const {
    const bool loop = node.op_type() == "Loop";
    const bool scan = node.op_type() == "Scan";
    if (!loop && !scan && node.op_type() != "If") return absl::OkStatus();
    if (scan) ONNXQUANT_RETURN_IF_ERROR(Slices(node));
    // Scan's first version reads the lengths of sequences before all that it hands on.
    const int lengths = scan && node.input_size() > 0 && SinceVersion(node) == 8 ? 1 : 0;
    const int takes = node.op_type() == "If" ? 0 : node.input_size() - lengths;
    const int gives = node.output_size() + (loop ? 1 : 0);
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (!attribute.has_g()) continue;
      const onnx::GraphProto& body = attribute.g();
      if (body.input_size() < takes) {
        return ModelError(place_, ": ", DescribeNode(node), ": its ", attribute.name(), " takes ",
                          body.input_size(), " values, but the node hands it ", takes,
                          ": export the model again");
      }
      if (body.output_size() < gives) {
        return ModelError(place_, ": ", DescribeNode(node), ": its ", attribute.name(), " gives ",
                          body.output_size(), " values, but the node needs ", gives,
                          ": export the model again");
      }
    }
    return absl::OkStatus();
  }

  int SinceVersion(const onnx::NodeProto& node) const {
    return FindSchema(imports_, node)->SinceVersion();
  }

  absl::Status Slices(const onnx::NodeProto& node) const {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.name() != "num_scan_inputs" || !attribute.ref_attr_name().empty()) continue;
      if (attribute.i() >= 1 && attribute.i() <= node.input_size()) continue;
      return ModelError(place_, ": ", DescribeNode(node), ": num_scan_inputs is ", attribute.i(),
                        ", expected 1 to ", node.input_size(),
                        ", the number of its inputs: export the model again");
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
