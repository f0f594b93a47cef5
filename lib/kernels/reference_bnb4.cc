#include <algorithm>
#include <cmath>

#include "lib/kernels/reference.h"

namespace onnxquant::kernels::reference {
namespace {

// Halfway between neighbouring levels.
constexpr float kNf4Thresholds[] = {
    -0.8480964004993439F,  -0.6106329262256622F,  -0.4599952697753906F,   -0.33967943489551544F,
    -0.23460740596055984F, -0.13791173323988914F, -0.045525018125772476F, 0.03979014977812767F,
    0.1202552504837513F,   0.2035212516784668F,   0.2920137718319893F,    0.3893125355243683F,
    0.5016634166240692F,   0.6427869200706482F,   0.8614784181118011F};
constexpr float kFp4Thresholds[] = {0.00260417F, 0.0859375F, 0.20833333F, 0.29166667F,
                                    0.4166667F,  0.583333F,  0.8333333F};
constexpr int kFp4Codes[] = {0, 1, 6, 7, 4, 5, 2, 3};

int CodeOf(Bnb4Type type, float value) {
  if (type == Bnb4Type::kNf4) {
    return static_cast<int>(std::count_if(std::begin(kNf4Thresholds), std::end(kNf4Thresholds),
                                          [&](float threshold) { return value > threshold; }));
  }
  const auto place = std::count_if(std::begin(kFp4Thresholds), std::end(kFp4Thresholds),
                                   [&](float threshold) { return std::fabs(value) > threshold; });
  return kFp4Codes[place] + (value < 0 ? 8 : 0);
}

}  // namespace

void QuantizeBnb4(const Bnb4Format& format, absl::Span<const float> values,
                  const Bnb4Output& output) {
  for (std::size_t first = 0; first < values.size(); first += format.block) {
    const std::size_t end = std::min(values.size(), first + format.block);
    float largest = 0;
    for (std::size_t i = first; i < end; ++i) largest = std::fmax(largest, std::fabs(values[i]));
    if (format.scale == ScaleType::kFloat32) {
      output.absmax_f32[first / format.block] = largest;
    } else {
      output.absmax_f16[first / format.block] = FloatToHalf(largest);
    }
    const float reciprocal = largest != 0 ? 1.0F / largest : 0.0F;
    for (std::size_t i = first; i < end; i += 2) {
      const int high = CodeOf(format.type, values[i] * reciprocal);
      const int low = CodeOf(format.type, i + 1 < end ? values[i + 1] * reciprocal : 0.0F);
      output.data[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
  }
}

}  // namespace onnxquant::kernels::reference
