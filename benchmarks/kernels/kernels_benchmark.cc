// Bytes of float32 source per second, the vectorised kernels beside their plain references: the
// ratio of two lines of one run is what counts.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "lib/kernels/block_quantize.h"
#include "lib/kernels/half.h"
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

template <auto Quantize, WeightLayout layout, bool symmetric>
void QuantizeBlocks(benchmark::State& state) {
  const std::vector<float> weights = Weights();
  const BlockFormat format{4, 32, symmetric, ScaleType::kFloat32};
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

BENCHMARK(QuantizeBlocks<&QuantizeTile, WeightLayout::kKN, true>)->Name("int4/kn");
BENCHMARK(QuantizeBlocks<&reference::QuantizeTile, WeightLayout::kKN, true>)->Name("int4/kn/plain");
BENCHMARK(QuantizeBlocks<&QuantizeTile, WeightLayout::kKN, false>)->Name("int4/kn/asymmetric");
BENCHMARK(QuantizeBlocks<&QuantizeTile, WeightLayout::kNK, true>)->Name("int4/nk");
BENCHMARK(QuantizeBlocks<&reference::QuantizeTile, WeightLayout::kNK, true>)->Name("int4/nk/plain");

}  // namespace
}  // namespace onnxquant::kernels
