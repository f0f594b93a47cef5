// Nodes and their attributes, spelt in one line each.
#ifndef ONNXQUANT_LIB_FORMATS_NODE_PROTO_H_
#define ONNXQUANT_LIB_FORMATS_NODE_PROTO_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// A node of ONNX's own domain, without attributes.
onnx::NodeProto MakeNode(const char* op_type, const std::string& name,
                         absl::Span<const std::string> inputs,
                         absl::Span<const std::string> outputs);

// Each sets the attribute of that name, or adds it.
void SetInt(onnx::NodeProto& node, absl::string_view name, std::int64_t value);
void SetInts(onnx::NodeProto& node, absl::string_view name, absl::Span<const std::int64_t> values);
void SetFloat(onnx::NodeProto& node, absl::string_view name, float value);
void SetTensor(onnx::NodeProto& node, absl::string_view name, onnx::TensorProto value);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_NODE_PROTO_H_
