// What a method knows of a model: second moments of the inputs that a weight is multiplied with.
#ifndef ONNXQUANT_LIB_METHODS_MOMENTS_H_
#define ONNXQUANT_LIB_METHODS_MOMENTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant::methods {

struct FactorOptions {
  double damping = 0.01;  // of the mean diagonal, added to the diagonal
};

// Damped second moments, and what Gptq needs of them. Made once for a statistic; all weights and
// threads that read it share it.
struct Factors {
  std::int64_t k = 0;
  // What was added, of the mean diagonal: what was asked for, or more where that was not enough.
  double damping = 0;
  // H [K, K], damped, and times a power of two, so that the mean of its diagonal was in [1, 2)
  // before: no method minds the scale of H, and none overflows by it.
  std::vector<float> moments;
  // U^T [K, K], lower triangular, of the upper triangular U with H^-1 = U^T U.
  std::vector<float> factor;
};

// `moments` is symmetric, row-major [k, k]: sum or mean of x x^T, only its upper triangle is read.
//   An input that was always zero (a zero on the diagonal) gets the mean of the diagonal.
//   Only zeros: the identity, so that every weight counts alike.
//   Where the damped matrix is not positive definite in float32, ten times the damping is tried
//   next (after 0: 1e-4), until it exceeds 1000.
// Errors: sizes that do not fit; NaN, Inf, or a negative number on the diagonal; a matrix that no
// damping makes positive definite, so that it cannot be a sum of x x^T.
// One thread, about 2/3 k^3 floating-point operations, FactorBytes(k) of memory with the result.
// Bits: the same on every processor that multiplies and adds in one rounding (x86 from AVX2 on, ARM
// 64); nearly so elsewhere.
absl::StatusOr<Factors> Factor(absl::Span<const float> moments, std::int64_t k,
                               const FactorOptions& options);

// Half of either, both divided by the mean of their diagonals: tokens count by how much the text's
// probability hangs on them, and yet each counts. Where one holds zeros alone, the other. Errors:
// as of Factor.
absl::StatusOr<std::vector<float>> MixMoments(absl::Span<const float> moments,
                                              absl::Span<const float> gradients, std::int64_t k);

std::size_t FactorBytes(std::int64_t k);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_MOMENTS_H_
