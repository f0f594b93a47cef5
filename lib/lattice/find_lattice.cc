#include "lib/lattice/find_lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/tile_executor.h"
#include "lib/kernels/half.h"
#include "lib/lattice/value_matrix.h"
#include "lib/methods/lattice.h"

namespace onnxquant {
namespace {

using methods::Rounding;

// 0: all along the axis.
constexpr std::int64_t kBlocks[] = {0, 256, 128, 64, 32, 16};
constexpr std::int64_t kSampledBlocks = 64;
constexpr std::int64_t kSampledValues = 1 << 18;
// Longer lines are not read whole.
constexpr std::int64_t kLongestLine = 1 << 16;
constexpr std::int64_t kTileValues = 1 << 16;
// Blocks with fewer values other than zero say little.
constexpr int kFewestValues = 8;

// A grid that is tried.
struct Guess {
  const ValueMatrix* matrix = nullptr;
  std::int64_t block = 0;  // at most the length of a line
  bool minimum = false;
  Rounding rounding = Rounding::kFloat;
  int most = methods::kMostMultiple;

  std::int64_t BlocksOfLine() const { return (matrix->length() + block - 1) / block; }
  std::int64_t SizeOf(std::int64_t at) const {
    return std::min(block, matrix->length() - at * block);
  }
};

// Of blocks, added up.
struct Sums {
  std::uint64_t blocks = 0;
  std::uint64_t exact = 0;
  std::uint64_t telling = 0;  // with enough values
  int symmetric_bits = 0;
  int zero_point_bits = 0;
  int most = 0;  // the largest integer, or number of steps
  bool half_scales = true;
  float least_scale = std::numeric_limits<float>::infinity();
  float most_scale = 0;

  void Add(const Sums& other) {
    blocks += other.blocks;
    exact += other.exact;
    telling += other.telling;
    symmetric_bits = std::max(symmetric_bits, other.symmetric_bits);
    zero_point_bits = std::max(zero_point_bits, other.zero_point_bits);
    most = std::max(most, other.most);
    half_scales = half_scales && other.half_scales;
    least_scale = std::min(least_scale, other.least_scale);
    most_scale = std::max(most_scale, other.most_scale);
  }
};

void AddScale(float scale, Sums& sums) {
  if (scale == 0) return;
  sums.least_scale = std::min(sums.least_scale, scale);
  sums.most_scale = std::max(sums.most_scale, scale);
}

void AddSteps(absl::Span<const float> values, const Guess& guess, Sums& sums) {
  const auto found = methods::FindSteps(values, guess.rounding, guess.most);
  if (!found) return;
  ++sums.exact;
  sums.most = std::max(sums.most, found->steps);
  sums.half_scales = sums.half_scales && found->half_length;
  AddScale(found->length, sums);
}

void AddBlock(absl::Span<const float> values, const Guess& guess,
              std::vector<std::int16_t>& multiples, Sums& sums) {
  ++sums.blocks;
  const auto others = std::count_if(values.begin(), values.end(), [](float v) { return v != 0; });
  if (others >= kFewestValues) ++sums.telling;
  if (guess.minimum) return AddSteps(values, guess, sums);
  multiples.resize(values.size());
  const auto found =
      methods::FindBlockLattice(values, guess.rounding, guess.most, absl::MakeSpan(multiples));
  if (!found) return;
  ++sums.exact;
  sums.symmetric_bits = std::max(sums.symmetric_bits, found->SymmetricBits());
  sums.zero_point_bits = std::max(sums.zero_point_bits, found->ZeroPointBits());
  sums.most = std::max({sums.most, found->most, -found->least});
  sums.half_scales = sums.half_scales && found->half_scale;
  AddScale(found->scale, sums);
}

// Blocks spread over all. Ends where too few are exact.
Sums Sample(const Guess& guess) {
  const std::int64_t all = guess.matrix->lines() * guess.BlocksOfLine();
  const std::int64_t count =
      std::min({all, kSampledBlocks, std::max<std::int64_t>(8, kSampledValues / guess.block)});
  Sums sums;
  std::vector<float> values;
  std::vector<std::int16_t> multiples;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t stride = all / count;
    const std::int64_t at = i * stride + i * 7919 % stride;
    const std::int64_t block = at % guess.BlocksOfLine();
    guess.matrix->Read(at / guess.BlocksOfLine(), 1, block * guess.block, guess.SizeOf(block),
                       values);
    AddBlock(values, guess, multiples, sums);
    if (sums.blocks - sums.exact > kSampledBlocks / 16) break;
  }
  return sums;
}

// At least nine of ten blocks, and enough values that chance does not put them there.
bool Holds(const Sums& sums) {
  return sums.exact * 10 >= sums.blocks * 9 && sums.telling * 2 >= sums.blocks;
}

// Lines that lie side by side, and a part of their length: whole blocks.
struct Part {
  std::int64_t line, lines, first, count;
};

std::vector<Part> PartsOf(const Guess& guess) {
  const ValueMatrix& matrix = *guess.matrix;
  const std::int64_t length = matrix.length();
  // Columns are read in many at a time, rows in long pieces.
  const std::int64_t wanted = matrix.along_rows ? 4096 : guess.block;
  const std::int64_t count =
      std::min(length, std::max(guess.block, wanted / guess.block * guess.block));
  const std::int64_t lines = std::clamp<std::int64_t>(kTileValues / count, 1, matrix.neighbours());
  std::vector<Part> parts;
  for (std::int64_t group = 0; group < matrix.lines(); group += matrix.neighbours()) {
    for (std::int64_t line = 0; line < matrix.neighbours(); line += lines) {
      for (std::int64_t first = 0; first < length; first += count) {
        parts.push_back({group + line, std::min(lines, matrix.neighbours() - line), first,
                         std::min(count, length - first)});
      }
    }
  }
  return parts;
}

Sums SumsOf(const Guess& guess, const Part& part) {
  Sums sums;
  std::vector<float> values;
  std::vector<std::int16_t> multiples;
  guess.matrix->Read(part.line, part.lines, part.first, part.count, values);
  for (std::int64_t line = 0; line < part.lines; ++line) {
    for (std::int64_t at = 0; at < part.count; at += guess.block) {
      const auto size = static_cast<std::size_t>(std::min(guess.block, part.count - at));
      AddBlock(absl::MakeConstSpan(values).subspan(static_cast<std::size_t>(line * part.count + at),
                                                   size),
               guess, multiples, sums);
    }
  }
  return sums;
}

Sums All(const Guess& guess, int threads) {
  const std::vector<Part> parts = PartsOf(guess);
  std::vector<Sums> of_parts(parts.size());
  RunTiles(parts.size(), threads, nullptr, [&](std::size_t i) {
    of_parts[i] = SumsOf(guess, parts[i]);
    return absl::OkStatus();
  }).IgnoreError();
  Sums sums;
  for (const Sums& one : of_parts) sums.Add(one);
  return sums;
}

int BitsOfSteps(int steps) {
  int bits = 1;
  while ((1 << bits) - 1 < steps) ++bits;
  return bits;
}

Lattice Described(const Guess& guess, const Sums& sums) {
  Lattice lattice;
  lattice.axis = guess.matrix->axis;
  lattice.block = guess.block == guess.matrix->length() ? 0 : guess.block;
  lattice.rounding = guess.rounding;
  lattice.half_scales = sums.half_scales;
  lattice.one_scale = !guess.minimum && sums.least_scale == sums.most_scale;
  lattice.least_scale = std::min(sums.least_scale, sums.most_scale);
  lattice.most_scale = sums.most_scale;
  lattice.blocks = sums.blocks;
  lattice.exact = sums.exact;
  if (guess.minimum) {
    lattice.kind = Lattice::Kind::kMinimum;
    lattice.bits = BitsOfSteps(sums.most);
    return lattice;
  }
  lattice.symmetric_bits = sums.symmetric_bits;
  lattice.zero_point_bits = sums.zero_point_bits;
  lattice.bits = std::min(sums.symmetric_bits, sums.zero_point_bits);
  lattice.kind = sums.symmetric_bits <= sums.zero_point_bits ? Lattice::Kind::kSymmetric
                                                             : Lattice::Kind::kZeroPoint;
  return lattice;
}

// Rounding to few digits leaves room for chance: there fewer multiples are tried.
int MostTried(const Guess& guess) {
  if (guess.rounding == Rounding::kFloat) return guess.minimum ? 63 : methods::kMostMultiple;
  if (guess.minimum) return 15;
  return guess.rounding == Rounding::kHalf ? 128 : 32;
}

std::optional<Lattice> Try(Guess guess, int threads) {
  guess.most = MostTried(guess);
  const Sums sample = Sample(guess);
  if (!Holds(sample)) return std::nullopt;
  // What the sample needed is tried first, since fewer are tried faster.
  Guess narrower = guess;
  narrower.most = 1;
  while (narrower.most < sample.most) narrower.most *= 2;
  narrower.most = std::min(narrower.most, guess.most);
  Sums sums = All(narrower, threads);
  if (sums.exact < sums.blocks && narrower.most < guess.most) sums = All(guess, threads);
  if (!Holds(sums)) return std::nullopt;
  return Described(guess, sums);
}

// The types that values may have been rounded to: that which holds more digits first.
std::vector<Rounding> RoundingsOf(const ValueMatrix& matrix) {
  if (matrix.type == ElementType::kFloat16) return {Rounding::kFloat, Rounding::kHalf};
  if (matrix.type == ElementType::kBFloat16) return {Rounding::kFloat, Rounding::kBFloat16};
  // Float32 may hold numbers of 16 bits alone.
  std::vector<float> values;
  std::vector<float> rounded;
  std::vector<std::uint16_t> narrow;
  bool half = true;
  bool bfloat16 = true;
  const std::int64_t count = std::min(matrix.lines(), kSampledBlocks);
  for (std::int64_t i = 0; i < count && (half || bfloat16); ++i) {
    matrix.Read(i * (matrix.lines() / count), 1, 0, std::min<std::int64_t>(matrix.length(), 256),
                values);
    rounded.resize(values.size());
    narrow.resize(values.size());
    kernels::RoundToHalf(values, absl::MakeSpan(rounded), kernels::OverflowMode::kInfinity);
    half = half && rounded == values;
    kernels::FloatToBFloat16(values, absl::MakeSpan(narrow), kernels::OverflowMode::kInfinity);
    kernels::BFloat16ToFloat(narrow, absl::MakeSpan(rounded));
    bfloat16 = bfloat16 && rounded == values;
  }
  std::vector<Rounding> roundings = {Rounding::kFloat};
  if (half) roundings.push_back(Rounding::kHalf);
  if (bfloat16) roundings.push_back(Rounding::kBFloat16);
  return roundings;
}

}  // namespace

std::optional<Lattice> FindLattice(absl::Span<const std::byte> payload, ElementType type,
                                   absl::Span<const std::int64_t> dims, int preferred,
                                   int threads) {
  std::vector<ValueMatrix> ways = WaysToRead(payload, type, dims);
  if (ways.empty() || ways[0].lines() * ways[0].length() < kFewestOnLattice) return std::nullopt;
  if (ways.size() == 2 && ways[1].axis == preferred) std::swap(ways[0], ways[1]);
  const std::vector<Rounding> roundings = RoundingsOf(ways[0]);
  for (const bool minimum : {false, true}) {
    for (const std::int64_t block : kBlocks) {
      for (const ValueMatrix& matrix : ways) {
        const std::int64_t length = matrix.length();
        if (block >= length || (block == 0 && length > kLongestLine)) continue;
        // A line must be long enough to say something.
        if (block == 0 && length < kFewestValues) continue;
        for (const Rounding rounding : roundings) {
          Guess guess;
          guess.matrix = &matrix;
          guess.block = block == 0 ? length : block;
          guess.minimum = minimum;
          guess.rounding = rounding;
          if (auto found = Try(guess, threads)) return found;
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace onnxquant
