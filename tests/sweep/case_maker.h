// Small models around one operator each, sound ones and such as a damaged or hostile file may hold.
#ifndef ONNXQUANT_TESTS_SWEEP_CASE_MAKER_H_
#define ONNXQUANT_TESTS_SWEEP_CASE_MAKER_H_

#include <functional>
#include <string>

#include "onnx/defs/schema.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// How much is tried: each mutation on one input, output and attribute, or on all of them.
enum class Breadth { kOne, kAll };

// Calls `take` with a model around one node of the schema's operator, at the opset that introduced
// that version, and then with one model per mutation of it.
void MakeCases(const onnx::OpSchema& schema, Breadth breadth,
               const std::function<void(const std::string& what, const onnx::ModelProto&)>& take);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SWEEP_CASE_MAKER_H_
