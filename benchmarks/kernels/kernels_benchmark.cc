// Bytes of float32 source per second, the vectorised kernels beside their plain references and a
// copy of the source: the ratio of two lines of one run is what counts.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "lib/kernels/block_quantize.h"
#include "lib/kernels/bnb4_quantize.h"
#include "lib/kernels/float8.h"
#include "lib/kernels/half.h"
#include "lib/kernels/integer_quantize.h"
#include "lib/kernels/qdq_quantize.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

constexpr std::size_t kRows = 640;
constexpr std::size_t kColumns = 2048;

std::vector<float> Weights() {
  std::vector<float> weights(kRows * kColumns);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>((i * 2654435761U) % 2001) / 1000.0F - 1.0F;
  }
  return weights;
}

void SetBytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(kRows * kColumns * sizeof(float)));
}

// What no kernel can beat by much: the same source, read once and written once.
void Copy(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<float> copy(weights.size());
  for (auto unused : state) {
    std::memcpy(copy.data(), weights.data(), weights.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(Copy)->Name("copy");

template <auto Convert>
void NarrowToHalf(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<std::uint16_t> halves(weights.size());
  for (auto unused : state) {
    benchmark::DoNotOptimize(Convert(weights, absl::MakeSpan(halves), OverflowMode::kInfinity));
  }
  SetBytes(state);
}

using ConvertSpans = NarrowStats (*)(absl::Span<const float>, absl::Span<std::uint16_t>,
                                     OverflowMode);
BENCHMARK(NarrowToHalf<&FloatToHalf>)->Name("half");
BENCHMARK(NarrowToHalf<static_cast<ConvertSpans>(&reference::FloatToHalf)>)->Name("half/plain");

template <auto Quantize, int bits, WeightLayout layout, bool symmetric>
void QuantizeBlocks(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  const BlockFormat format{bits, 32, symmetric, ScaleType::kFloat32};
  const BlockSizes sizes = SizesOf(format, kRows, kColumns);
  std::vector<std::uint8_t> data(sizes.data_bytes);
  std::vector<float> scales(sizes.scale_count);
  std::vector<std::uint8_t> zero_points(symmetric ? 0 : sizes.scale_count);
  TileOutput output;
  output.data = absl::MakeSpan(data);
  output.scales_f32 = absl::MakeSpan(scales);
  output.zero_points = absl::MakeSpan(zero_points);
  for (auto unused : state) {
    Quantize(format, layout, weights, kRows, kColumns, output);
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}

constexpr WeightLayout kKN = WeightLayout::kKN;
constexpr WeightLayout kNK = WeightLayout::kNK;
BENCHMARK(QuantizeBlocks<&QuantizeTile, 2, kKN, true>)->Name("int2/kn");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 2, kNK, true>)->Name("int2/nk");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 4, kKN, true>)->Name("int4/kn");
BENCHMARK(QuantizeBlocks<&reference::QuantizeTile, 4, kKN, true>)->Name("int4/kn/plain");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 4, kKN, false>)->Name("int4/kn/asymmetric");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 4, kNK, true>)->Name("int4/nk");
BENCHMARK(QuantizeBlocks<&reference::QuantizeTile, 4, kNK, true>)->Name("int4/nk/plain");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 8, kKN, true>)->Name("int8/kn");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 8, kKN, false>)->Name("int8/kn/asymmetric");
BENCHMARK(QuantizeBlocks<&QuantizeTile, 8, kNK, true>)->Name("int8/nk");

void FindRange(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  for (auto unused : state) {
    ValueRange range;
    ExtendRange(weights, range);
    benchmark::DoNotOptimize(range);
  }
  SetBytes(state);
}
BENCHMARK(FindRange)->Name("integer/range");

void FindColumnRanges(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  for (auto unused : state) {
    std::vector<ValueRange> ranges(kColumns);
    ExtendColumnRanges(weights, absl::MakeSpan(ranges));
    benchmark::DoNotOptimize(ranges);
  }
  SetBytes(state);
}
BENCHMARK(FindColumnRanges)->Name("integer/column_ranges");

template <auto Quantize>
void QuantizeToIntegers(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<std::uint8_t> codes(weights.size());
  for (auto unused : state) {
    Quantize(IntegerType::kInt8, {1.0F / 127, 0}, weights, absl::MakeSpan(codes));
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(QuantizeToIntegers<&QuantizeIntegers>)->Name("integer/codes");
BENCHMARK(QuantizeToIntegers<&reference::QuantizeIntegers>)->Name("integer/codes/plain");

void QuantizeColumnsToIntegers(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<std::uint8_t> codes(weights.size());
  const std::vector<IntegerScale> scales(kColumns, {1.0F / 127, 0});
  for (auto unused : state) {
    QuantizeIntegerColumns(IntegerType::kInt8, scales, weights, absl::MakeSpan(codes));
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(QuantizeColumnsToIntegers)->Name("integer/column_codes");

template <auto Quantize, int bits, bool symmetric>
void QuantizeQdq(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  const std::size_t blocks = weights.size() / 32;
  std::vector<std::uint8_t> data(PackedBytes(bits, weights.size()));
  std::vector<float> scales(blocks);
  std::vector<std::uint8_t> zero_points(symmetric ? 0 : blocks);
  const QdqScales to{absl::MakeSpan(scales), {}, absl::MakeSpan(zero_points)};
  for (auto unused : state) {
    Quantize({bits, symmetric, ScaleType::kFloat32}, 32, weights, kRows, kColumns,
             absl::MakeSpan(data), to);
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(QuantizeQdq<&QuantizeQdqColumns, 2, true>)->Name("qdq2/columns");
BENCHMARK(QuantizeQdq<&QuantizeQdqColumns, 4, true>)->Name("qdq4/columns");
BENCHMARK(QuantizeQdq<&QuantizeQdqColumns, 4, false>)->Name("qdq4/columns/asymmetric");
BENCHMARK(QuantizeQdq<&QuantizeQdqRows, 4, true>)->Name("qdq4/rows");
BENCHMARK(QuantizeQdq<&QuantizeQdqColumns, 8, true>)->Name("qdq8/columns");
BENCHMARK(QuantizeQdq<&QuantizeQdqRows, 8, true>)->Name("qdq8/rows");

template <Bnb4Type type, bool columns>
void QuantizeToBnb4(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  const Bnb4Format format{type, 64, ScaleType::kFloat32};
  const Bnb4Sizes sizes = Bnb4SizesOf(format, weights.size());
  std::vector<std::uint8_t> data(sizes.data_bytes);
  std::vector<float> absmax(sizes.absmax_count);
  const Bnb4Output output{absl::MakeSpan(data), absl::MakeSpan(absmax), {}};
  for (auto unused : state) {
    if (columns) {
      QuantizeBnb4Columns(format, weights, kRows, kColumns, output);
    } else {
      QuantizeBnb4(format, weights, output);
    }
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(QuantizeToBnb4<Bnb4Type::kNf4, false>)->Name("nf4/run");
BENCHMARK(QuantizeToBnb4<Bnb4Type::kNf4, true>)->Name("nf4/columns");
BENCHMARK(QuantizeToBnb4<Bnb4Type::kFp4, false>)->Name("fp4/run");
BENCHMARK(QuantizeToBnb4<Bnb4Type::kFp4, true>)->Name("fp4/columns");

void Transpose(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<float> transposed(weights.size());
  for (auto unused : state) {
    TransposeRows(weights, kRows, kColumns, absl::MakeSpan(transposed));
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(Transpose)->Name("transpose");

template <Float8Type type>
void NarrowToFloat8(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  std::vector<std::uint8_t> narrow(weights.size());
  for (auto unused : state) {
    benchmark::DoNotOptimize(FloatToFloat8(type, weights, absl::MakeSpan(narrow)));
  }
  SetBytes(state);
}
BENCHMARK(NarrowToFloat8<Float8Type::kE4M3FN>)->Name("float8/e4m3fn");
BENCHMARK(NarrowToFloat8<Float8Type::kE5M2>)->Name("float8/e5m2");

}  // namespace
}  // namespace onnxquant::kernels
