#include <algorithm>
#include <cmath>

#include "lib/kernels/reference.h"

namespace onnxquant::kernels::reference {

void ExtendRange(absl::Span<const float> values, ValueRange& range) {
  for (const float value : values) {
    if (value < range.lo || std::isnan(value)) range.lo = value;
    if (value > range.hi) range.hi = value;
  }
}

void QuantizeIntegers(IntegerType type, const IntegerScale& scale, absl::Span<const float> values,
                      absl::Span<std::uint8_t> codes) {
  const float lowest = type == IntegerType::kUint8 ? 0.0F : -128.0F;
  const float highest = type == IntegerType::kUint8 ? 255.0F : 127.0F;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float code =
        std::nearbyint(values[i] / scale.scale) + static_cast<float>(scale.zero_point);
    codes[i] = std::isnan(code)
                   ? std::uint8_t{0}
                   : static_cast<std::uint8_t>(static_cast<int>(std::clamp(code, lowest, highest)));
  }
}

}  // namespace onnxquant::kernels::reference
