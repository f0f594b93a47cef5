// Every set of vector instructions that this processor has gives the same bits.
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/block_dequantize.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/bnb4_quantize.h"
#include "lib/kernels/float8.h"
#include "lib/kernels/half.h"
#include "lib/kernels/integer_quantize.h"
#include "lib/kernels/qdq_quantize.h"

namespace onnxquant::kernels {
namespace {

using Bits = std::vector<std::uint32_t>;

// What `kernel` gives with each set in turn must be what it gives with the first.
void ExpectTheSame(const std::function<Bits()>& kernel) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  ASSERT_FALSE(targets.empty());
  std::vector<Bits> results;
  for (const std::int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    results.push_back(kernel());
    EXPECT_EQ(results.back(), results.front()) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_FALSE(results.front().empty());
}

template <typename T>
void Append(const std::vector<T>& values, Bits& bits) {
  for (const T value : values) {
    if constexpr (sizeof(T) == 4) {
      bits.push_back(std::bit_cast<std::uint32_t>(value));
    } else {
      bits.push_back(value);
    }
  }
}

void Append(const NarrowStats& stats, Bits& bits) {
  for (const std::uint64_t count : {stats.overflowed, stats.underflowed, stats.nonfinite}) {
    bits.push_back(static_cast<std::uint32_t>(count));
  }
  bits.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(stats.peak)));
}

// Any bits: NaNs of all payloads, subnormals, and the neighbourhood of every half.
std::vector<float> AnyFloats(std::size_t count) {
  std::mt19937 random(7);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto any = static_cast<std::uint32_t>(random());
    const std::uint32_t near = (any & 0x8FFFE000U) | 0x38000000U | (any % 3 << 12U);
    values[i] = std::bit_cast<float>(i % 2 == 0 ? any : near);
  }
  return values;
}

TEST(Targets, NarrowAlike) {
  ExpectTheSame([] {
    Bits bits;
    for (const std::size_t size : {0U, 1U, 3U, 7U, 15U, 17U, 31U, 63U, 65U, 4099U}) {
      const std::vector<float> values = AnyFloats(size);
      std::vector<std::uint16_t> narrow(size);
      std::vector<float> rounded(size);
      for (const OverflowMode mode : {OverflowMode::kInfinity, OverflowMode::kClamp}) {
        Append(FloatToHalf(values, absl::MakeSpan(narrow), mode), bits);
        Append(narrow, bits);
        Append(FloatToBFloat16(values, absl::MakeSpan(narrow), mode), bits);
        Append(narrow, bits);
        Append(RoundToHalf(values, absl::MakeSpan(rounded), mode), bits);
        Append(rounded, bits);
      }
    }
    return bits;
  });
}

TEST(Targets, WidenAlike) {
  ExpectTheSame([] {
    std::vector<std::uint16_t> every(65'536 + 5);
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = static_cast<std::uint16_t>(i);
    std::vector<float> wide(every.size());
    Bits bits;
    HalfToFloat(every, absl::MakeSpan(wide));
    Append(wide, bits);
    BFloat16ToFloat(every, absl::MakeSpan(wide));
    Append(wide, bits);
    return bits;
  });
}

void AppendBlocks(const BlockFormat& format, WeightLayout layout, std::size_t k, std::size_t n,
                  Bits& bits) {
  std::mt19937 random(static_cast<unsigned>(k + n));
  std::normal_distribution<float> normal;
  std::vector<float> source(k * n);
  for (float& value : source) value = normal(random);
  source.front() = -0.0F;
  const BlockSizes sizes = SizesOf(format, k, n);
  std::vector<std::uint8_t> data(sizes.data_bytes);
  std::vector<float> scales(sizes.scale_count);
  std::vector<std::uint16_t> half_scales(sizes.scale_count);
  std::vector<std::uint8_t> zero_points(format.symmetric ? 0 : sizes.scale_count);
  TileOutput output;
  output.data = absl::MakeSpan(data);
  const bool wide = format.scale == ScaleType::kFloat32;
  if (wide) output.scales_f32 = absl::MakeSpan(scales);
  if (!wide) output.scales_f16 = absl::MakeSpan(half_scales);
  output.zero_points = absl::MakeSpan(zero_points);
  QuantizeTile(format, layout, source, k, n, output);
  Append(data, bits);
  Append(scales, bits);
  Append(half_scales, bits);
  Append(zero_points, bits);
}

TEST(Targets, QuantizeBlocksAlike) {
  ExpectTheSame([] {
    Bits bits;
    for (const int width : {2, 4, 8}) {
      for (const std::size_t block : {16U, 32U, 256U}) {
        for (const bool symmetric : {false, true}) {
          for (const ScaleType scale : {ScaleType::kFloat32, ScaleType::kFloat16}) {
            const BlockFormat format{width, block, symmetric, scale};
            for (const WeightLayout layout : {WeightLayout::kKN, WeightLayout::kNK}) {
              AppendBlocks(format, layout, 2 * block, 16, bits);
              AppendBlocks(format, layout, 3 * block - 7, 37, bits);
            }
          }
        }
      }
    }
    return bits;
  });
}

void AppendQdq(const QdqFormat& format, bool along_rows, std::size_t k, std::size_t n, Bits& bits) {
  std::mt19937 random(static_cast<unsigned>(k + n));
  std::normal_distribution<float> normal;
  std::vector<float> rows(k * n);
  for (float& value : rows) value = normal(random);
  rows.front() = std::numeric_limits<float>::quiet_NaN();
  const std::size_t blocks = along_rows ? k * ((n + 15) / 16) : (k + 15) / 16 * n;
  std::vector<std::uint8_t> data(PackedBytes(format.bits, k * n));
  std::vector<float> scales(blocks);
  std::vector<std::uint8_t> zero_points(format.symmetric ? 0 : blocks);
  const QdqScales to{absl::MakeSpan(scales), {}, absl::MakeSpan(zero_points)};
  const auto quantize = along_rows ? &QuantizeQdqRows : &QuantizeQdqColumns;
  quantize(format, 16, rows, k, n, absl::MakeSpan(data), to);
  Append(data, bits);
  Append(scales, bits);
  Append(zero_points, bits);
}

TEST(Targets, QuantizeQdqAlike) {
  ExpectTheSame([] {
    Bits bits;
    for (const int width : {2, 4, 8}) {
      for (const bool symmetric : {false, true}) {
        for (const bool along_rows : {false, true}) {
          AppendQdq({width, symmetric, ScaleType::kFloat32}, along_rows, 37, 41, bits);
        }
      }
    }
    return bits;
  });
}

TEST(Targets, ConvertToAndFromFloat8Alike) {
  ExpectTheSame([] {
    Bits bits;
    for (const Float8Type type : {Float8Type::kE4M3FN, Float8Type::kE5M2}) {
      for (const std::size_t size : {0U, 1U, 3U, 15U, 31U, 65U, 4099U}) {
        const std::vector<float> values = AnyFloats(size);
        std::vector<std::uint8_t> narrow(size);
        std::vector<float> wide(size);
        Append(FloatToFloat8(type, values, absl::MakeSpan(narrow)), bits);
        Append(narrow, bits);
        Float8ToFloat(type, narrow, absl::MakeSpan(wide));
        Append(wide, bits);
      }
    }
    return bits;
  });
}

TEST(Targets, QuantizeToFourBitFloatsAlike) {
  ExpectTheSame([] {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    std::vector<float> values(64 * 41);
    for (float& value : values) value = normal(random);
    values.front() = std::numeric_limits<float>::quiet_NaN();
    Bits bits;
    for (const Bnb4Type type : {Bnb4Type::kFp4, Bnb4Type::kNf4}) {
      for (const std::size_t block : {16U, 64U}) {
        const Bnb4Format format{type, block, ScaleType::kFloat16};
        const Bnb4Sizes sizes = Bnb4SizesOf(format, values.size());
        std::vector<std::uint8_t> data(sizes.data_bytes);
        std::vector<std::uint16_t> absmax(sizes.absmax_count);
        QuantizeBnb4(format, values, {absl::MakeSpan(data), {}, absl::MakeSpan(absmax)});
        Append(data, bits);
        Append(absmax, bits);
        QuantizeBnb4Columns(format, values, 64, 41,
                            {absl::MakeSpan(data), {}, absl::MakeSpan(absmax)});
        Append(data, bits);
        Append(absmax, bits);
      }
    }
    return bits;
  });
}

TEST(Targets, DequantizeBlocksAlike) {
  ExpectTheSame([] {
    Bits bits;
    for (const std::size_t block : {16U, 64U, 256U}) {
      const BlockFormat format{4, block, true, ScaleType::kFloat32};
      const std::size_t k = 3 * block - 5;
      const BlockSizes sizes = SizesOf(format, k, 9);
      std::mt19937 random(3);
      std::vector<std::uint8_t> data(sizes.data_bytes);
      for (std::uint8_t& codes : data) codes = static_cast<std::uint8_t>(random());
      std::vector<float> scales(sizes.scale_count);
      for (float& scale : scales) scale = static_cast<float>(random() % 1000) / 7.0F;
      std::vector<float> output(k * 9);
      DequantizeBlocks(format, data, scales, {}, k, 9, absl::MakeSpan(output));
      Append(output, bits);
    }
    return bits;
  });
}

TEST(Targets, QuantizeIntegersAlike) {
  ExpectTheSame([] {
    Bits bits;
    for (const std::size_t columns : {1U, 7U, 16U, 37U, 4099U}) {
      std::vector<float> values = AnyFloats(columns * 3);
      std::vector<std::uint8_t> codes(values.size());
      const std::vector<IntegerScale> scales(columns, {0.37F, 5});
      for (const IntegerType type : {IntegerType::kUint8, IntegerType::kInt8}) {
        QuantizeIntegers(type, scales[0], values, absl::MakeSpan(codes));
        Append(codes, bits);
        QuantizeIntegerColumns(type, scales, values, absl::MakeSpan(codes));
        Append(codes, bits);
      }
      std::vector<ValueRange> ranges(columns);
      ExtendColumnRanges(values, absl::MakeSpan(ranges));
      ExtendRange(values, ranges.front());
      for (const ValueRange& range : ranges) {
        Append(std::vector<float>{std::isnan(range.lo) ? 0 : range.lo, range.hi}, bits);
      }
    }
    return bits;
  });
}

}  // namespace
}  // namespace onnxquant::kernels
