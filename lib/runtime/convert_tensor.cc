#include "lib/runtime/convert_tensor.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace onnxquant {
namespace {

// Calls visit(a value of the integer type that `type` is kept as); false for other types.
template <typename Visit>
bool AsInteger(ElementType type, Visit visit) {
  switch (type) {
    case ElementType::kInt8:
      return visit(std::int8_t{});
    case ElementType::kInt16:
      return visit(std::int16_t{});
    case ElementType::kInt32:
      return visit(std::int32_t{});
    case ElementType::kInt64:
      return visit(std::int64_t{});
    case ElementType::kUint8:
    case ElementType::kBool:
      return visit(std::uint8_t{});
    case ElementType::kUint16:
      return visit(std::uint16_t{});
    case ElementType::kUint32:
      return visit(std::uint32_t{});
    case ElementType::kUint64:
      return visit(std::uint64_t{});
    default:
      return false;
  }
}

template <typename To, typename From>
bool Fits(From value) {
  using Most = std::numeric_limits<To>;
  if (value < 0) {
    return Most::is_signed &&
           static_cast<std::int64_t>(value) >= static_cast<std::int64_t>(Most::lowest());
  }
  return static_cast<std::uint64_t>(value) <= static_cast<std::uint64_t>(Most::max());
}

std::optional<Tensor> ConvertIntegers(const Tensor& tensor, ElementType type) {
  std::optional<Tensor> converted;
  AsInteger(tensor.type(), [&](auto from) {
    using From = decltype(from);
    return AsInteger(type, [&](auto to) {
      using To = decltype(to);
      std::vector<To> values(tensor.elements());
      for (std::size_t i = 0; i < values.size(); ++i) {
        From value;
        std::memcpy(&value, tensor.bytes().data() + i * sizeof(From), sizeof(From));
        if (!Fits<To>(value) || (type == ElementType::kBool && value > 1)) return false;
        values[i] = static_cast<To>(value);  // NOLINT(bugprone-signed-char-misuse): a number
      }
      converted = Tensor::Of(type, tensor.dims(), std::move(values));
      return true;
    });
  });
  return converted;
}

}  // namespace

std::optional<Tensor> ConvertTensor(const Tensor& tensor, ElementType type) {
  if (tensor.type() == type) return tensor;
  if (!tensor.is_float()) return ConvertIntegers(tensor, type);
  if (!IsFloat(type)) return std::nullopt;
  std::vector<float> values;
  values.reserve(tensor.elements());
  VisitFloats(tensor, [&](absl::Span<const float> floats) {
    values.insert(values.end(), floats.begin(), floats.end());
  });
  return Tensor::OfFloats(type, tensor.dims(), std::move(values));
}

}  // namespace onnxquant
