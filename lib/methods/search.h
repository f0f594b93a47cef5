// Codes without data: for each block by itself, the scale and the zero point of the least squared
// error.
#ifndef ONNXQUANT_LIB_METHODS_SEARCH_H_
#define ONNXQUANT_LIB_METHODS_SEARCH_H_

#include <cstdint>

#include "absl/types/span.h"
#include "lib/methods/grid.h"

namespace onnxquant::methods {

// `weights`: rows [N, K], row-major, N from the size. `importance`: what the squared error of a
// column counts, K numbers not below 0 (the diagonal of second moments); empty: all alike.
// Tried are ShrinksOf(grid), with both signs (symmetric) or with three zero points each, and for
// each the scale that fits its codes best. The least error wins, on a tie what was tried first.
// Rounding is half to even. Weights that are not finite count as 0. Rows do not depend on each
// other. Sizes that do not fit end the program.
Codes Search(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
             absl::Span<const float> importance);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_SEARCH_H_
