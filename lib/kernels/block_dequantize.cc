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

// 4-bit codes to a byte each. Compilers vectorise this.
HWY_INLINE void UnpackNibbles(const std::uint8_t* data, std::size_t block, std::uint8_t* codes) {
  for (std::size_t i = 0; i < block / 2; ++i) {
    codes[2 * i] = data[i] & 15;
    codes[2 * i + 1] = static_cast<std::uint8_t>(data[i] >> 4);
  }
}

HWY_INLINE void DequantizeBlock(const std::uint8_t* data, std::size_t block, float scale,
                                int zero_point, float* out) {
  const BlockF d;
  const BlockI di;
  const hn::Rebind<std::uint8_t, BlockF> d8;
  alignas(64) std::uint8_t codes[kLargestBlock];
  UnpackNibbles(data, block, codes);
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    const auto code = hn::PromoteTo(di, hn::LoadU(d8, codes + i));
    const auto centred = hn::ConvertTo(d, hn::Sub(code, hn::Set(di, zero_point)));
    hn::StoreU(hn::Mul(centred, hn::Set(d, scale)), d, out + i);
  }
}

void Dequantize4(std::size_t block, const std::uint8_t* data, const float* scales,
                 const std::uint8_t* zero_points, std::size_t k, std::size_t n, float* output) {
  const std::size_t blocks = BlocksOf(k, block);
  const std::size_t zero_point_bytes = (blocks + 1) / 2;
  alignas(64) float last[kLargestBlock];
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t at = row * blocks + b;
      const int zero_point = zero_points == nullptr
                                 ? Codes<4>::kMid
                                 : zero_points[row * zero_point_bytes + b / 2] >> (b % 2 * 4) & 15;
      const std::uint8_t* codes = data + at * (block / 2);
      float* out = output + row * k + b * block;
      const std::size_t left = k - b * block;
      if (left >= block) {
        DequantizeBlock(codes, block, scales[at], zero_point, out);
      } else {
        DequantizeBlock(codes, block, scales[at], zero_point, last);
        std::copy_n(last, left, out);
      }
    }
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(Dequantize4);

void DequantizeBlocks(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                      absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                      std::size_t k, std::size_t n, absl::Span<float> output) {
  BlockFormat stored = format;
  stored.symmetric = zero_points.empty();
  const BlockSizes sizes = SizesOf(stored, k, n);
  HWY_ASSERT(data.size() == sizes.data_bytes);
  HWY_ASSERT(scales.size() == sizes.scale_count);
  HWY_ASSERT(zero_points.size() == sizes.zero_point_bytes);
  HWY_ASSERT(output.size() == n * k);
  HWY_DYNAMIC_DISPATCH(Dequantize4)
  (format.block, data.data(), scales.data(), zero_points.empty() ? nullptr : zero_points.data(), k,
   n, output.data());
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
