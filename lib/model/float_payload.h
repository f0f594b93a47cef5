// Payloads of real numbers as float32.
#ifndef ONNXQUANT_LIB_MODEL_FLOAT_PAYLOAD_H_
#define ONNXQUANT_LIB_MODEL_FLOAT_PAYLOAD_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "lib/kernels/half.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// How float64 becomes float32.
enum class DoubleRounding {
  kNearest,
  kOdd,  // for numbers that are rounded to 16 bits next (see lib/kernels/double.h)
};

// The numbers of `payload` (ONNX's raw little-endian form, at any address) as float32. All float
// types but float64 lose nothing; of float64, `stats` (if given) learns what did not fit, and
// `overflow` says what becomes of it. Other types give nothing.
std::vector<float> FloatsOfPayload(
    absl::Span<const std::byte> payload, ElementType type,
    DoubleRounding rounding = DoubleRounding::kNearest,
    kernels::OverflowMode overflow = kernels::OverflowMode::kInfinity,
    kernels::NarrowStats* stats = nullptr);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_FLOAT_PAYLOAD_H_
