#include "lib/model/element_type.h"

#include <limits>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

struct Row {
  ElementType type;
  const char* name;
  int bits;
};

constexpr Row kRows[] = {
    {ElementType::kFloat, "float32", 32},
    {ElementType::kUint8, "uint8", 8},
    {ElementType::kInt8, "int8", 8},
    {ElementType::kUint16, "uint16", 16},
    {ElementType::kInt16, "int16", 16},
    {ElementType::kInt32, "int32", 32},
    {ElementType::kInt64, "int64", 64},
    {ElementType::kString, "string", 0},
    {ElementType::kBool, "bool", 8},
    {ElementType::kFloat16, "float16", 16},
    {ElementType::kDouble, "float64", 64},
    {ElementType::kUint32, "uint32", 32},
    {ElementType::kUint64, "uint64", 64},
    {ElementType::kComplex64, "complex64", 64},
    {ElementType::kComplex128, "complex128", 128},
    {ElementType::kBFloat16, "bfloat16", 16},
    {ElementType::kFloat8E4M3FN, "float8e4m3fn", 8},
    {ElementType::kFloat8E4M3FNUZ, "float8e4m3fnuz", 8},
    {ElementType::kFloat8E5M2, "float8e5m2", 8},
    {ElementType::kFloat8E5M2FNUZ, "float8e5m2fnuz", 8},
    {ElementType::kUint4, "uint4", 4},
    {ElementType::kInt4, "int4", 4},
    {ElementType::kFloat4E2M1, "float4e2m1", 4},
    {ElementType::kFloat8E8M0, "float8e8m0", 8},
    {ElementType::kUint2, "uint2", 2},
    {ElementType::kInt2, "int2", 2},
    {ElementType::kFloat6E2M3, "float6e2m3", 6},
    {ElementType::kFloat6E3M2, "float6e3m2", 6},
};

const Row* Find(ElementType type) {
  for (const Row& row : kRows) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<ElementType> ElementTypeFromOnnx(int number) {
  const auto type = static_cast<ElementType>(number);
  if (Find(type) != nullptr) return type;
  return ModelError("element type ", number, " is not one that ONNX defines (1 to 28)");
}

const char* NameOf(ElementType type) {
  const Row* row = Find(type);
  return row == nullptr ? "unknown" : row->name;
}

std::optional<ElementType> ElementTypeFromName(const std::string& name) {
  for (const Row& row : kRows) {
    if (name == row.name) return row.type;
  }
  return std::nullopt;
}

bool IsFloat(ElementType type) {
  return IsHalf(type) || type == ElementType::kFloat || type == ElementType::kDouble;
}

bool IsHalf(ElementType type) {
  return type == ElementType::kFloat16 || type == ElementType::kBFloat16;
}

int BitsOf(ElementType type) {
  const Row* row = Find(type);
  return row == nullptr ? 0 : row->bits;
}

absl::StatusOr<std::uint64_t> PackedBytes(ElementType type, absl::Span<const std::int64_t> dims) {
  const auto bits = static_cast<std::uint64_t>(BitsOf(type));
  if (bits == 0) return ModelError("a tensor of ", NameOf(type), " has no fixed size");
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  std::uint64_t total = bits;
  bool empty = false;
  for (const std::int64_t dim : dims) {
    if (dim < 0) return ModelError("dimension ", dim, " is negative");
    if (dim == 0) {
      empty = true;
    } else if (total > kLargest / static_cast<std::uint64_t>(dim)) {
      return ModelError("the dimensions multiply to more than 2^63 bits");
    } else {
      total *= static_cast<std::uint64_t>(dim);
    }
  }
  return empty ? 0 : (total + 7) / 8;
}

}  // namespace onnxquant
