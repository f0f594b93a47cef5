// A tensor in another element type.
#ifndef ONNXQUANT_LIB_RUNTIME_CONVERT_TENSOR_H_
#define ONNXQUANT_LIB_RUNTIME_CONVERT_TENSOR_H_

#include <optional>

#include "lib/runtime/tensor.h"

namespace onnxquant {

// Floats become floats, rounded to nearest; integers and booleans become integers or booleans where
// every element fits (a boolean takes 0 and 1). Nothing for other pairs of types, and for numbers
// that do not fit.
std::optional<Tensor> ConvertTensor(const Tensor& tensor, ElementType type);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_CONVERT_TENSOR_H_
