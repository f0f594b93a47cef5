// Whether nodes are as the schemas of their operators say.
#ifndef ONNXQUANT_LIB_SCHEMA_NODE_CHECK_H_
#define ONNXQUANT_LIB_SCHEMA_NODE_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Refuses (kModel, by node and place) nodes of the main graph, its bodies and the local functions
// whose number of inputs or outputs, omitted inputs, or attributes (kind, field, presence) are not
// what ONNX defines for the operator at the imported opset, or whose bodies take or give less than
// the node does. Operators that ONNX does not define pass.
absl::Status CheckNodes(const onnx::ModelProto& model, const std::string& origin);

// "node 'name' (Op)" or, without a name, "the unnamed Op node that makes 'value'".
std::string DescribeNode(const onnx::NodeProto& node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SCHEMA_NODE_CHECK_H_
