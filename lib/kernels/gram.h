// Sums of products of columns, Xᵀ X, of rows that come a batch at a time.
#ifndef ONNXQUANT_LIB_KERNELS_GRAM_H_
#define ONNXQUANT_LIB_KERNELS_GRAM_H_

#include <cstddef>

#include "absl/types/span.h"

namespace onnxquant::kernels {

// Columns of a panel, in which rows are kept: a whole number of vectors on every machine.
inline constexpr std::size_t kGramPanel = 48;

// A corner of the matrix of sums, row by row.
struct GramTile {
  float* sums = nullptr;
  std::size_t stride = 0;  // from one row to the next
  std::size_t height = 0;  // columns of the left panel that count, at most kGramPanel
  std::size_t width = 0;   // of the right one
};

// tile[i][j] += Σ left[t * kGramPanel + i] * right[t * kGramPanel + j] over the rows t, in order,
// from zero: what the rows come to is rounded as one number before it is added. The panels hold
// equally many rows and may be the same. On machines that fuse a product and its addition (AVX2,
// NEON and later) the sums are the same bits, whatever their vectors' length.
void AddGram(absl::Span<const float> left, absl::Span<const float> right, const GramTile& tile);

// The same in plain loops, with fused additions.
void AddGramPlainly(absl::Span<const float> left, absl::Span<const float> right,
                    const GramTile& tile);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_GRAM_H_
