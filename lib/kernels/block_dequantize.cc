#include "lib/kernels/block_dequantize.h"

#include <algorithm>

#include "lib/kernels/block_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/block_dequantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

// Codes of kBits bits to a byte each. Compilers vectorise this.
template <int kBits>
HWY_INLINE void UnpackCodes(const std::uint8_t* data, std::size_t block, std::uint8_t* codes) {
  constexpr std::size_t kPack = 8 / kBits;
  for (std::size_t i = 0; i < block / kPack; ++i) {
    for (std::size_t slot = 0; slot < kPack; ++slot) {
      codes[kPack * i + slot] =
          static_cast<std::uint8_t>(data[i] >> (slot * kBits) & Codes<kBits>::kMax);
    }
  }
}

template <int kBits>
HWY_INLINE void DequantizeBlock(const std::uint8_t* data, std::size_t block, float scale,
                                int zero_point, float* out) {
  const BlockF d;
  const BlockI di;
  const hn::Rebind<std::uint8_t, BlockF> d8;
  alignas(64) std::uint8_t unpacked[kLargestBlock];
  const std::uint8_t* codes = data;
  if constexpr (kBits != 8) {
    UnpackCodes<kBits>(data, block, unpacked);
    codes = unpacked;
  }
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    const auto code = hn::PromoteTo(di, hn::LoadU(d8, codes + i));
    const auto centred = hn::ConvertTo(d, hn::Sub(code, hn::Set(di, zero_point)));
    hn::StoreU(hn::Mul(centred, hn::Set(d, scale)), d, out + i);
  }
}

template <int kBits>
HWY_INLINE void Dequantize(const StoredBlocks& from, float* output) {
  constexpr std::size_t kPack = 8 / kBits;
  const std::size_t block = from.block;
  const std::size_t blocks = BlocksOf(from.k, block);
  const std::size_t zero_point_bytes = (blocks + kPack - 1) / kPack;
  alignas(64) std::uint8_t last_codes[kLargestBlock] = {};
  alignas(64) float last[kLargestBlock];
  for (std::size_t row = 0; row < from.n; ++row) {
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t at = row * blocks + b;
      const int zero_point =
          from.zero_points == nullptr
              ? Codes<kBits>::kMid
              : from.zero_points[row * zero_point_bytes + b / kPack] >> (b % kPack * kBits) &
                    Codes<kBits>::kMax;
      const std::size_t first_byte = b * block / kPack;
      const std::uint8_t* codes = from.data + row * from.row_bytes + first_byte;
      float* out = output + row * from.k + b * block;
      const std::size_t left = from.k - b * block;
      if (left >= block) {
        DequantizeBlock<kBits>(codes, block, from.scales[at], zero_point, out);
      } else {
        std::copy_n(codes, from.row_bytes - first_byte, last_codes);
        DequantizeBlock<kBits>(last_codes, block, from.scales[at], zero_point, last);
        std::copy_n(last, left, out);
      }
    }
  }
}

void DequantizeBits(int bits, const StoredBlocks& from, float* output) {
  switch (bits) {
    case 2:
      return Dequantize<2>(from, output);
    case 4:
      return Dequantize<4>(from, output);
    default:
      return Dequantize<8>(from, output);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(DequantizeBits);

void DequantizeChecked(const BlockFormat& stored, const BlockSizes& sizes,
                       absl::Span<const std::uint8_t> data, absl::Span<const float> scales,
                       absl::Span<const std::uint8_t> zero_points, std::size_t k, std::size_t n,
                       absl::Span<float> output) {
  HWY_ASSERT(data.size() == sizes.data_bytes);
  HWY_ASSERT(scales.size() == sizes.scale_count);
  HWY_ASSERT(zero_points.size() == sizes.zero_point_bytes);
  HWY_ASSERT(output.size() == n * k);
  if (output.empty()) return;
  const StoredBlocks from = {data.data(),
                             data.size() / n,
                             scales.data(),
                             zero_points.empty() ? nullptr : zero_points.data(),
                             k,
                             n,
                             stored.block};
  HWY_DYNAMIC_DISPATCH(DequantizeBits)(stored.bits, from, output.data());
}

void DequantizeBlocks(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                      absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                      std::size_t k, std::size_t n, absl::Span<float> output) {
  BlockFormat stored = format;
  stored.symmetric = zero_points.empty();
  DequantizeChecked(stored, SizesOf(stored, k, n), data, scales, zero_points, k, n, output);
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
