#include "lib/lattice/lattice.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

using Kind = Lattice::Kind;

struct SourceRow {
  absl::string_view name;
  Kind kind = Kind::kSymmetric;
  int bits = 0;
  std::int64_t block = 0;
  bool half_scales = false;
};

// What the dequantizers of GGUF leave, by the layouts of its types. Of those with scales of 6 bits
// times a float16 number few scales are float16 numbers.
constexpr SourceRow kSources[] = {
    {"Q4_0", Kind::kSymmetric, 4, 32, true},  {"Q5_0", Kind::kSymmetric, 5, 32, true},
    {"Q8_0", Kind::kSymmetric, 8, 32, true},  {"Q4_1", Kind::kMinimum, 4, 32, true},
    {"Q5_1", Kind::kMinimum, 5, 32, true},    {"Q6_K", Kind::kSymmetric, 6, 16, false},
    {"Q3_K", Kind::kSymmetric, 3, 16, false}, {"Q4_K", Kind::kMinimum, 4, 32, false},
    {"Q5_K", Kind::kMinimum, 5, 32, false},   {"Q2_K", Kind::kMinimum, 2, 16, false},
};

}  // namespace

absl::string_view NameOf(Kind kind) {
  if (kind == Kind::kSymmetric) return "symmetric";
  return kind == Kind::kZeroPoint ? "zero_point" : "minimum";
}

absl::string_view NameOf(methods::Rounding rounding) {
  if (rounding == methods::Rounding::kFloat) return "float32";
  return rounding == methods::Rounding::kHalf ? "float16" : "bfloat16";
}

absl::string_view LikelySource(const Lattice& lattice) {
  for (const SourceRow& row : kSources) {
    if (row.kind == lattice.kind && row.bits == lattice.bits && row.block == lattice.block &&
        row.half_scales == lattice.half_scales) {
      return row.name;
    }
  }
  return "";
}

std::string ToString(const Lattice& lattice) {
  std::string text = absl::StrCat(lattice.bits, lattice.bits == 1 ? " bit" : " bits");
  if (lattice.one_scale) {
    absl::StrAppend(&text, " with one scale");
  } else if (lattice.block == 0) {
    absl::StrAppend(&text, " per channel");
  } else {
    absl::StrAppend(&text, " in blocks of ", lattice.block);
  }
  absl::StrAppend(&text, lattice.kind == Kind::kSymmetric   ? ", symmetric"
                         : lattice.kind == Kind::kZeroPoint ? ", with zero points"
                                                            : ", with minimums");
  if (lattice.half_scales) absl::StrAppend(&text, ", float16 scales");
  if (lattice.rounding != methods::Rounding::kFloat) {
    absl::StrAppend(&text, ", exact after rounding to ", NameOf(lattice.rounding));
  }
  if (lattice.exact < lattice.blocks) {
    char share[32];
    // Never rounded up to all of them.
    const double percent =
        static_cast<double>(lattice.exact) * 100 / static_cast<double>(lattice.blocks);
    std::snprintf(share, sizeof(share), "%.2f", std::min(percent, 99.99));
    absl::StrAppend(&text, "; in ", share, " % of blocks");
  }
  return text;
}

std::string ToString(const BlockGrid& grid) {
  return absl::StrCat("int", grid.bits, " block ", grid.block,
                      grid.symmetric ? " symmetric" : " asymmetric");
}

std::optional<BlockGrid> GridThatHolds(const Lattice& lattice, int most_bits, std::int64_t block) {
  if (lattice.kind == Kind::kMinimum || lattice.exact < lattice.blocks) return std::nullopt;
  BlockGrid grid;
  grid.block = lattice.block == 0 ? block : std::min(block, lattice.block);
  for (const int bits : {2, 4, 8}) {
    if (bits > most_bits) break;
    grid.bits = bits;
    grid.symmetric = lattice.symmetric_bits <= bits;
    if (grid.symmetric || lattice.zero_point_bits <= bits) return grid;
  }
  return std::nullopt;
}

}  // namespace onnxquant
