// Plain loops, a weight at a time, that the vectorised methods are held against: the same bits,
// where the processor multiplies and adds in one rounding.
#ifndef ONNXQUANT_LIB_METHODS_REFERENCE_H_
#define ONNXQUANT_LIB_METHODS_REFERENCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/methods/gptq.h"
#include "lib/methods/grid.h"
#include "lib/methods/moments.h"

namespace onnxquant::methods::reference {

struct ScaleAndZero {
  float scale, zero;
};

float RoundScale(const Grid& grid, float scale);
// value / scale, rounded half to even, less the zero point's bounds.
float CodeOf(const Grid& grid, float value, const ScaleAndZero& to);
// In the order in which they are tried.
std::vector<ScaleAndZero> ScalesToTry(const Grid& grid, absl::Span<const float> block);
float ErrorOf(const Grid& grid, absl::Span<const float> block, absl::Span<const float> importance,
              const ScaleAndZero& to);

// Each weight to the nearest code, with a scale that reaches the outermost weight of the block:
// what a method has to be better than.
Codes Nearest(const Grid& grid, absl::Span<const float> weights, std::int64_t k);

Codes Search(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
             absl::Span<const float> importance);

Codes Gptq(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
           const Factors& factors, const GptqOptions& options);

double Objective(absl::Span<const float> weights, absl::Span<const float> values, std::int64_t k,
                 absl::Span<const float> moments);

}  // namespace onnxquant::methods::reference

#endif  // ONNXQUANT_LIB_METHODS_REFERENCE_H_
