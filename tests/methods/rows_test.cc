// Rows do not depend on each other, nor on who works on them.
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/tile_executor.h"
#include "lib/methods/gptq.h"
#include "lib/methods/search.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

constexpr std::int64_t kRows = 150;
constexpr std::int64_t kColumns = 170;

void Append(const Codes& from, Codes& to) {
  to.codes.insert(to.codes.end(), from.codes.begin(), from.codes.end());
  to.scales.insert(to.scales.end(), from.scales.begin(), from.scales.end());
  to.zero_points.insert(to.zero_points.end(), from.zero_points.begin(), from.zero_points.end());
}

absl::Span<const float> Rows(const std::vector<float>& weights, std::int64_t first,
                             std::int64_t count) {
  return absl::MakeSpan(weights).subspan(
      static_cast<std::size_t>(first * kColumns),
      static_cast<std::size_t>(std::min(count, kRows - first) * kColumns));
}

TEST(Rows, GetTheSameBytesHoweverTheyAreSplitOverCalls) {
  const std::vector<float> weights = SampleWeights(kRows, kColumns);
  const Factors factors = FactorsOf(SampleMoments(kColumns, 300), kColumns);
  for (const Grid& grid : GridsOf({32, 64})) {
    const Codes whole = Gptq(grid, weights, kColumns, factors, {});
    const Codes searched = Search(grid, weights, kColumns, {});
    for (const std::int64_t count : {1, 7, 33, 64, 100}) {
      Codes parts;
      Codes searched_parts;
      for (std::int64_t first = 0; first < kRows; first += count) {
        Append(Gptq(grid, Rows(weights, first, count), kColumns, factors, {}), parts);
        Append(Search(grid, Rows(weights, first, count), kColumns, {}), searched_parts);
      }
      EXPECT_TRUE(SameBits(parts, whole)) << Text(grid) << ", " << count << " rows a call";
      EXPECT_TRUE(SameBits(searched_parts, searched)) << Text(grid) << ", " << count;
    }
  }
}

TEST(Rows, GetTheSameBytesOnAnyNumberOfThreads) {
  const std::vector<float> weights = SampleWeights(kRows, kColumns);
  const Factors factors = FactorsOf(SampleMoments(kColumns, 300), kColumns);
  const Grid grid{4, 32, false, true};
  const Codes whole = Gptq(grid, weights, kColumns, factors, {});
  constexpr std::int64_t kChunk = 20;
  for (const int threads : {1, 2, 7}) {
    std::vector<Codes> parts(static_cast<std::size_t>((kRows + kChunk - 1) / kChunk));
    const absl::Status status = RunTiles(parts.size(), threads, nullptr, [&](std::size_t part) {
      parts[part] =
          Gptq(grid, Rows(weights, std::int64_t(part) * kChunk, kChunk), kColumns, factors, {});
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok());
    Codes joined;
    for (const Codes& part : parts) Append(part, joined);
    EXPECT_TRUE(SameBits(joined, whole)) << threads;
  }
}

TEST(Rows, ThatAreNoneGiveNoCodes) {
  const Factors factors = FactorsOf(SampleMoments(40, 100), 40);
  EXPECT_TRUE(Gptq({4, 32, false, false}, {}, 40, factors, {}).codes.empty());
}

}  // namespace
}  // namespace onnxquant::methods
