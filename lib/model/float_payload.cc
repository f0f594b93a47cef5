#include "lib/model/float_payload.h"

#include <cstdint>
#include <cstring>

#include "lib/kernels/double.h"

namespace onnxquant {
namespace {

template <typename T>
std::vector<T> Aligned(absl::Span<const std::byte> payload) {
  std::vector<T> numbers(payload.size() / sizeof(T));
  if (!numbers.empty()) std::memcpy(numbers.data(), payload.data(), numbers.size() * sizeof(T));
  return numbers;
}

}  // namespace

std::vector<float> FloatsOfPayload(absl::Span<const std::byte> payload, ElementType type,
                                   DoubleRounding rounding, kernels::OverflowMode overflow,
                                   kernels::NarrowStats* stats) {
  if (type == ElementType::kFloat) return Aligned<float>(payload);
  if (!IsFloat(type)) return {};
  std::vector<float> floats(payload.size() * 8 / static_cast<std::size_t>(BitsOf(type)));
  if (type == ElementType::kFloat16) {
    kernels::HalfToFloat(Aligned<std::uint16_t>(payload), absl::MakeSpan(floats));
  } else if (type == ElementType::kBFloat16) {
    kernels::BFloat16ToFloat(Aligned<std::uint16_t>(payload), absl::MakeSpan(floats));
  } else if (rounding == DoubleRounding::kOdd) {
    kernels::DoubleToOddFloat(Aligned<double>(payload), absl::MakeSpan(floats));
  } else {
    const kernels::NarrowStats found =
        kernels::DoubleToFloat(Aligned<double>(payload), absl::MakeSpan(floats), overflow);
    if (stats != nullptr) stats->Merge(found);
  }
  return floats;
}

}  // namespace onnxquant
