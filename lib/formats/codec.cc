#include "lib/formats/codec.h"

#include <algorithm>
#include <cstdint>

#include "absl/base/casts.h"
#include "lib/base/error.h"

namespace onnxquant {

absl::Status WriteElements(const PartSink& sink, const Tiling& tiling, const Tile& tile,
                           std::uint64_t element_bytes, absl::Span<const std::byte> bytes) {
  if (tile.columns == tiling.columns) {
    return sink.Write(0, tile.first_row * tiling.columns * element_bytes, bytes);
  }
  const std::uint64_t run = tile.columns * element_bytes;
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    const std::uint64_t first = (tile.first_row + row) * tiling.columns + tile.first_column;
    ONNXQUANT_RETURN_IF_ERROR(sink.Write(0, first * element_bytes, bytes.subspan(row * run, run)));
  }
  return absl::OkStatus();
}

bool AllFinite(absl::Span<const float> numbers) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  bool all = true;
  for (const float number : numbers) {
    all = all & ((absl::bit_cast<std::uint32_t>(number) & kExponent) != kExponent);
  }
  return all;
}

absl::Status CheckFloatScales(absl::Span<const float> scales, const std::string& what) {
  if (AllFinite(scales)) return absl::OkStatus();
  return ModelError(
      what,
      ": values of one scale lie further apart than float32's largest number; keep it "
      "in float32 with a rule (weights: float32)");
}

absl::Status CheckHalfScales(absl::Span<const std::uint16_t> scales, int steps,
                             const std::string& what) {
  constexpr std::uint16_t kExponent = 0x7c00;
  const auto infinite = std::count_if(scales.begin(), scales.end(), [](std::uint16_t scale) {
    return (scale & kExponent) == kExponent;
  });
  if (infinite == 0) return absl::OkStatus();
  return ModelError(what, ": ", infinite,
                    " of its blocks hold values beyond what a float16 scale can carry (", steps,
                    " * 65504); keep it in float32 with a rule (compute: float32, weights: "
                    "float32)");
}

}  // namespace onnxquant
