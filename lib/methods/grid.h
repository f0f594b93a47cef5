// What a method knows of a format: the grid on which the codes of a weight lie.
#ifndef ONNXQUANT_LIB_METHODS_GRID_H_
#define ONNXQUANT_LIB_METHODS_GRID_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant::methods {

// Codes are unsigned, 0 … 2^bits - 1, and a weight's value is (code - zero point) * scale. Blocks
// of `block` weights of a row share scale and zero point; the last one of a row may be shorter.
struct Grid {
  int bits = 4;  // 2, 4 or 8
  std::int64_t block = 32;
  // Every zero point is 2^(bits - 1), and scales may be negative: that is how such a block reaches
  // as far up as down.
  bool symmetric = false;
  // Scales are rounded to float16, half to even, before anything is computed with them. None is
  // smaller than the least float16 (2^-24), nor larger than the largest.
  bool half_scales = false;

  int HighestCode() const { return (1 << bits) - 1; }
  int MiddleCode() const { return 1 << (bits - 1); }
  std::int64_t BlocksOf(std::int64_t k) const { return (k + block - 1) / block; }
};

// The codes of row-major rows [N, K].
struct Codes {
  std::vector<std::uint8_t> codes;        // N * K, one a byte
  std::vector<float> scales;              // N * BlocksOf(K)
  std::vector<std::uint8_t> zero_points;  // as many as scales
};

// What the codes stand for, [N, K].
std::vector<float> Values(const Grid& grid, const Codes& codes, std::int64_t k);

// The scales that are tried for a block, as shares of the one that reaches its outermost weight.
// Fewer bits gain more by cutting off what lies far out.
struct Shrinks {
  static constexpr int kCount = 10;
  float shares[kCount];
};
Shrinks ShrinksOf(const Grid& grid);

// The smallest scale that is used, so that nothing is divided by zero.
float LeastScale(const Grid& grid);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_GRID_H_
