// Brings a model into the form that conversion works on.
#ifndef ONNXQUANT_LIB_MODEL_PREPARE_H_
#define ONNXQUANT_LIB_MODEL_PREPARE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Changes `model` where conversion needs it, and says what it changed, a sentence each:
//  - nodes of one graph that share a name get names of their own.
//  - nodes that lead to no graph output are left out, in bodies too.
//  - nodes come behind those that make what they read.
//  - calls of local functions are replaced by what the functions do (ONNX's inliner), so that each
//    call can work in its own types. A function for another opset than the model's stays.
//  - below IR 4 every initializer must also be a graph input; the model becomes IR 4 and its
//    weights initializers only. They could never be overridden with another shape or type anyway.
//  - an opset of ONNX's own domain below `least_opset` is raised to it (ONNX's version converter).
// Large payloads may have been taken out (see strip_payloads.h): none is read. Errors are kModel:
// a graph without outputs, or with inputs of no type; tensors that are not as they say
// (tensor_check.h); functions that call themselves or one another
// too often (function_calls.h); nodes that are not as ONNX defines their
// operators (lib/schema/node_check.h); what the inliner or the converter cannot do.
absl::StatusOr<std::vector<std::string>> Prepare(onnx::ModelProto& model, const std::string& origin,
                                                 int least_opset);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_PREPARE_H_
