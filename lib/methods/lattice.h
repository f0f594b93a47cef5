// Codes of weights that codes were made into before: each block is integers times a scale, and is
// found to be so. Nothing is lost.
#ifndef ONNXQUANT_LIB_METHODS_LATTICE_H_
#define ONNXQUANT_LIB_METHODS_LATTICE_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/methods/grid.h"
#include "lib/methods/method.h"

namespace onnxquant::methods {

// The largest integer that is tried: what 8 bits and a zero point reach.
inline constexpr int kMostMultiple = 255;

// A block's values: least … most times the scale, each rounded to the type in question.
struct BlockLattice {
  float scale = 0;         // above 0; 0: all values are zero
  int least = 0;           // at most 0
  int most = 0;            // at least 0
  bool half_scale = true;  // the scale is a float16 number
  // All zeros among the values are negative ones, as a negative scale makes them.
  bool negative_zeros = false;

  // How many bits hold the integers as they are or with their signs turned, and how many do beside
  // a zero point: 1 … 9.
  int SymmetricBits() const;
  int ZeroPointBits() const;
};

// The coarsest scale of which all values are multiples by at most `most` (up to kMostMultiple), in
// float32 and then rounded to `rounding`; of nearly equal ones a float16 number, if there is one.
// `multiples`, as many as values, are the integers. Nothing: there is none, or a value is not
// finite. Deterministic; time is linear where scale times integer was exact, as of float16 scales,
// and else grows with `most`.
std::optional<BlockLattice> FindBlockLattice(absl::Span<const float> values, Rounding rounding,
                                             int most, absl::Span<std::int16_t> multiples);

// Values that are a minimum of their own plus steps of one length.
struct BlockSteps {
  int steps = 0;            // from the least value to the largest; 0: all values are equal
  float length = 0;         // of a step
  bool half_length = true;  // a step, or an odd share of it, is a float16 number but for rounding
};

// As GGUF's Q4_1 and Q4_K have them: with the fewest steps, up to `most`, that come to the values
// but for a rounding error of the largest magnitude. Nothing: there are none, or a value is not
// finite.
std::optional<BlockSteps> FindSteps(absl::Span<const float> values, Rounding rounding, int most);

// `rows` [N, K], row-major, N from the size; every block of the grid lies on a lattice that its
// codes hold, as FindBlockLattice says. Where the grid has float16 scales, those that are none are
// rounded. Error (kInternal): a block lies on none.
absl::StatusOr<Codes> Lattice(const Grid& grid, absl::Span<const float> rows, std::int64_t k,
                              Rounding rounding);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_LATTICE_H_
