// Rows of weights and floating-point operations per second, on one thread, for the shapes of
// Gemma 3 270M's projections: its codes with and without refinements, the search without data, and
// the factors that weights of one input share.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "lib/methods/gptq.h"
#include "lib/methods/moments.h"
#include "lib/methods/search.h"

namespace onnxquant::methods {
namespace {

// Not random, and without a pattern that a block could have.
float Noise(std::size_t i) {
  return static_cast<float>((i * 2654435761U) % 2001) / 1000.0F - 1.0F;
}

std::vector<float> Weights(std::int64_t n, std::int64_t k) {
  std::vector<float> weights(static_cast<std::size_t>(n * k));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = Noise(i);
  return weights;
}

// Neighbours depend on each other.
std::vector<float> Moments(std::int64_t k) {
  const auto size = static_cast<std::size_t>(k);
  std::vector<float> moments(size * size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      const auto distance = static_cast<float>(i > j ? i - j : j - i);
      moments[i * size + j] = std::pow(0.9F, distance);
    }
  }
  return moments;
}

void SetRates(benchmark::State& state, std::int64_t rows, double operations) {
  state.SetItemsProcessed(state.iterations() * rows);
  state.counters["FLOP/s"] = benchmark::Counter(
      operations, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

// N, K, symmetric, refinements. Feedback takes N K^2 operations; a refinement 3 N K^2 for the
// scales and 2 N K^2 for the codes.
void ChooseByGptq(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const std::int64_t k = state.range(1);
  const Grid grid{4, 32, state.range(2) != 0, true};
  const GptqOptions options{6, static_cast<int>(state.range(3))};
  const std::vector<float> weights = Weights(n, k);
  const absl::StatusOr<Factors> factors = Factor(Moments(k), k, {});
  if (!factors.ok()) return state.SkipWithError("moments were refused");
  for (auto unused : state) {
    benchmark::DoNotOptimize(Gptq(grid, weights, k, *factors, options));
  }
  const auto square = static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(k);
  SetRates(state, n, square * (1 + 5 * options.refinements));
}

void ShapesForGptq(benchmark::internal::Benchmark* benchmark) {
  constexpr std::int64_t kShapes[][2] = {
      {1024, 640}, {256, 640}, {640, 1024}, {2048, 640}, {640, 2048}};
  benchmark->ArgNames({"n", "k", "symmetric", "refinements"})->Unit(benchmark::kMillisecond);
  for (const auto& [n, k] : kShapes) {
    for (const int symmetric : {0, 1}) benchmark->Args({n, k, symmetric, 0});
    benchmark->Args({n, k, 1, 2});
  }
}
BENCHMARK(ChooseByGptq)->Name("gptq")->Apply(&ShapesForGptq);

void ChooseBySearch(benchmark::State& state) {
  const Grid grid{4, 32, state.range(0) != 0, true};
  const std::vector<float> weights = Weights(640, 640);
  for (auto unused : state) benchmark::DoNotOptimize(Search(grid, weights, 640, {}));
  state.SetItemsProcessed(state.iterations() * 640);
}
BENCHMARK(ChooseBySearch)
    ->Name("search")
    ->ArgName("symmetric")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

void FactorMoments(benchmark::State& state) {
  const std::int64_t k = state.range(0);
  const std::vector<float> moments = Moments(k);
  for (auto unused : state) benchmark::DoNotOptimize(Factor(moments, k, {}));
  const auto size = static_cast<double>(k);
  SetRates(state, k, 2.0 / 3 * size * size * size);
}
BENCHMARK(FactorMoments)
    ->Name("factor")
    ->ArgName("k")
    ->Arg(640)
    ->Arg(1024)
    ->Arg(2048)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace onnxquant::methods
