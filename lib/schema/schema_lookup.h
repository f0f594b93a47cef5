// ONNX's operator schemas, as the stages ask for them.
#ifndef ONNXQUANT_LIB_SCHEMA_SCHEMA_LOOKUP_H_
#define ONNXQUANT_LIB_SCHEMA_SCHEMA_LOOKUP_H_

#include <string>

#include "onnx/defs/schema.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

using OpsetImports = google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;

// The opset that is imported for `domain`; 0 if none is.
int OpsetOf(const OpsetImports& imports, const std::string& domain);
int OpsetOf(const onnx::ModelProto& model, const std::string& domain);

// The schema of the node's operator at the imported opset, or null when ONNX does not define it.
const onnx::OpSchema* FindSchema(const OpsetImports& imports, const onnx::NodeProto& node);
const onnx::OpSchema* FindSchema(const onnx::ModelProto& model, const onnx::NodeProto& node);

// The same, or null where the opset is newer than what this ONNX knows: there operators may take
// more than its schemas say. For checks that refuse.
const onnx::OpSchema* FindBindingSchema(const OpsetImports& imports, const onnx::NodeProto& node);

// The formal parameter for slot `index`; the last one stands for all further ones when it is
// variadic. Null beyond the end.
const onnx::OpSchema::FormalParameter* FormalInput(const onnx::OpSchema& schema, int index);
const onnx::OpSchema::FormalParameter* FormalOutput(const onnx::OpSchema& schema, int index);

// Whether the parameter's type constraint admits the type ("tensor(float16)").
bool Admits(const onnx::OpSchema::FormalParameter& parameter, const std::string& type);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SCHEMA_SCHEMA_LOOKUP_H_
