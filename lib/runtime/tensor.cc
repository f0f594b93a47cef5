#include "lib/runtime/tensor.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

template <typename T>
Tensor Converted(ElementType type, std::vector<std::int64_t> dims,
                 absl::Span<const std::int64_t> values) {
  std::vector<T> converted;
  converted.reserve(values.size());
  for (const std::int64_t value : values) converted.push_back(static_cast<T>(value));
  return Tensor::Of(type, std::move(dims), std::move(converted));
}

}  // namespace

Tensor::Tensor(ElementType type, std::vector<std::int64_t> dims, std::shared_ptr<const void> owner,
               absl::Span<const std::byte> bytes)
    : type_(type), dims_(std::move(dims)), owner_(std::move(owner)), bytes_(bytes) {}

Tensor Tensor::OfIntegers(ElementType type, std::vector<std::int64_t> dims,
                          absl::Span<const std::int64_t> values) {
  switch (type) {
    case ElementType::kInt64:
      return Converted<std::int64_t>(type, std::move(dims), values);
    case ElementType::kInt32:
      return Converted<std::int32_t>(type, std::move(dims), values);
    case ElementType::kBool: {
      std::vector<std::uint8_t> bits;
      for (const std::int64_t value : values) bits.push_back(value != 0 ? 1 : 0);
      return Of(type, std::move(dims), std::move(bits));
    }
    default:
      return OfFloats(type, std::move(dims), std::vector<float>(values.begin(), values.end()));
  }
}

Tensor Tensor::OfFloats(ElementType type, std::vector<std::int64_t> dims,
                        std::vector<float> values) {
  switch (type) {
    case ElementType::kFloat:
      return Of(type, std::move(dims), std::move(values));
    case ElementType::kDouble:
      return Of(type, std::move(dims), std::vector<double>(values.begin(), values.end()));
    case ElementType::kFloat16:
    case ElementType::kBFloat16: {
      std::vector<std::uint16_t> half(values.size());
      if (type == ElementType::kFloat16) {
        kernels::FloatToHalf(values, absl::MakeSpan(half), kernels::OverflowMode::kInfinity);
      } else {
        kernels::FloatToBFloat16(values, absl::MakeSpan(half), kernels::OverflowMode::kInfinity);
      }
      return Of(type, std::move(dims), std::move(half));
    }
    default:
      return {};
  }
}

Tensor Tensor::Empty(ElementType type, std::vector<std::int64_t> dims) {
  return Tensor(type, std::move(dims), nullptr, {});
}

std::size_t Tensor::elements() const {
  std::size_t count = 1;
  for (const std::int64_t dim : dims_) count *= static_cast<std::size_t>(dim);
  return count;
}

bool Tensor::is_float() const {
  return IsFloat(type_);
}

absl::Span<const float> Tensor::Floats(std::size_t first, std::size_t count,
                                       std::vector<float>& scratch) const {
  if (type_ == ElementType::kFloat) {
    return {reinterpret_cast<const float*>(bytes_.data()) + first, count};
  }
  scratch.resize(count);
  const absl::Span<float> out = absl::MakeSpan(scratch);
  if (type_ == ElementType::kDouble) {
    const auto* values = reinterpret_cast<const double*>(bytes_.data()) + first;
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[i]);
    return out;
  }
  const absl::Span<const std::uint16_t> half(
      reinterpret_cast<const std::uint16_t*>(bytes_.data()) + first, count);
  if (type_ == ElementType::kFloat16) {
    kernels::HalfToFloat(half, out);
  } else {
    kernels::BFloat16ToFloat(half, out);
  }
  return out;
}

std::string DimsText(absl::Span<const std::int64_t> dims) {
  return absl::StrCat("[", absl::StrJoin(dims, ", "), "]");
}

}  // namespace onnxquant
