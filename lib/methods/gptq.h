// GPTQ: columns get their codes in turn, block by block, and what rounding one does to the outputs
// is made up for by those that come after (Frantar et al., 2022). Here with the scale and the zero
// point of a block chosen by the error that is left when its own feedback has been followed, and
// with refinements at the end.
#ifndef ONNXQUANT_LIB_METHODS_GPTQ_H_
#define ONNXQUANT_LIB_METHODS_GPTQ_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/methods/grid.h"
#include "lib/methods/moments.h"

namespace onnxquant::methods {

struct GptqOptions {
  // How many pairs of scale and zero point, the best by an estimate, are followed through a block.
  int candidates = 6;
  // How often all scales of a row are fitted to its codes, and every code is then reconsidered.
  int refinements = 2;
};

// `weights`: rows [N, K], row-major, N from the size. For each row w it makes q small in
// (w - q)^T H (w - q), H = factors.moments:
//   1. Blocks from left to right. Candidates are scored by sum (c s - x)^2 / U_ii^2; the best are
//      followed with feedback inside the block, and the least sum of squares wins (on a tie, the
//      one that scored better; on a tie of scores, the one tried first).
//   2. Refinements: the scales of a row are solved for together; a row whose rounded scales would
//      be worse than those it has keeps them. Then each code moves to where it is best while all
//      others stay, from left to right. Neither raises the objective.
// Rounding is half to even. Weights that are not finite count as 0.
// Rows do not depend on each other: however rows are split over calls and threads, their codes are
// the same. They are worked on in groups of kGroupRows, so a call of fewer rows costs as much as
// one of so many. Bits: the same on every processor that multiplies and adds in one rounding (x86
// from AVX2 on, ARM 64) for the same Factors; elsewhere a few codes differ.
// K that is not factors.k, and sizes that are not whole rows, end the program.
Codes Gptq(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
           const Factors& factors, const GptqOptions& options);

inline constexpr std::int64_t kGroupRows = 64;

// What a call takes beyond weights and factors, with the codes that it returns, for n rows.
std::size_t GptqScratchBytes(const Grid& grid, std::int64_t n, std::int64_t k);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_GPTQ_H_
