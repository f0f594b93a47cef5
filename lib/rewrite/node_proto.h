// Nodes and their attributes, spelt in one line each.
#ifndef ONNXQUANT_LIB_REWRITE_NODE_PROTO_H_
#define ONNXQUANT_LIB_REWRITE_NODE_PROTO_H_

#include <string>

#include "absl/types/span.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// A node of ONNX's own domain, without attributes.
onnx::NodeProto MakeNode(const char* op_type, const std::string& name,
                         absl::Span<const std::string> inputs,
                         absl::Span<const std::string> outputs);

// Each sets the attribute of that name, or adds it, as SetInt of lib/formats/node_sink.h does.
void SetFloat(onnx::NodeProto& node, const char* name, float value);
void SetTensor(onnx::NodeProto& node, const char* name, onnx::TensorProto value);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_NODE_PROTO_H_
