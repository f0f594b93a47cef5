// Random changes of a model that know what ONNX means by it.
#ifndef ONNXQUANT_FUZZ_MUTATE_MODEL_H_
#define ONNXQUANT_FUZZ_MUTATE_MODEL_H_

#include "fuzz/mutate_message.h"
#include "onnx/onnx_pb.h"

namespace onnxquant::fuzz {

// One change: an operator, an edge, an attribute that the operator's schema names, a tensor's type,
// shape or place, an opset, a body, a local function, or any field at all. `donor` (may be null) is
// another model, to take parts from.
void MutateModel(onnx::ModelProto& model, const onnx::ModelProto* donor, Random& random);

}  // namespace onnxquant::fuzz

#endif  // ONNXQUANT_FUZZ_MUTATE_MODEL_H_
