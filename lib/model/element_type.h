// The element types of ONNX tensors: one table of numbers, names and sizes.
#ifndef ONNXQUANT_LIB_MODEL_ELEMENT_TYPE_H_
#define ONNXQUANT_LIB_MODEL_ELEMENT_TYPE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

// The numbers are those of onnx TensorProto.DataType.
enum class ElementType : int {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
  kFloat6E2M3 = 27,
  kFloat6E3M2 = 28,
};

// An error for a number that ONNX does not define (0 included).
absl::StatusOr<ElementType> ElementTypeFromOnnx(int number);

// The name as users write it: "float32", "float16", "int4" …
const char* NameOf(ElementType type);
std::optional<ElementType> ElementTypeFromName(const std::string& name);

// The types of real numbers whose arithmetic a policy decides: float32, float16, bfloat16, float64.
// (The 8-bit and smaller floats are codes of quantized parts.)
bool IsFloat(ElementType type);
// float16 and bfloat16.
bool IsHalf(ElementType type);

// Bits of one element as ONNX packs it in raw_data; 0 for strings.
int BitsOf(ElementType type);

// Bytes of a whole tensor; packed types round up once, at its end. Refuses negative dimensions,
// strings, and sizes beyond 2^63.
absl::StatusOr<std::uint64_t> PackedBytes(ElementType type, absl::Span<const std::int64_t> dims);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_ELEMENT_TYPE_H_
