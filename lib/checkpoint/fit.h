// Whether two matrices may hold the same numbers, by a few of them.
#ifndef ONNXQUANT_LIB_CHECKPOINT_FIT_H_
#define ONNXQUANT_LIB_CHECKPOINT_FIT_H_

#include <limits>
#include <vector>

#include "lib/checkpoint/elementwise.h"
#include "lib/lattice/value_matrix.h"

namespace onnxquant {

// A relative error over samples within which numbers are the same, rounded.
inline constexpr double kSame = 1.0 / 256;

// Up to 64 values spread over the matrix, in the same places for all of one shape.
std::vector<float> SamplesOf(const TensorRows& tensor);
std::vector<float> SamplesOf(const ValueMatrix& matrix);

// What makes y of x, and what error that leaves, relative to x.
struct TensorFit {
  Transform transform;
  double error = std::numeric_limits<double>::infinity();
};

// Nothing is done where that leaves rounding errors; else one is added or taken away, of vectors
// alone, or all is multiplied, where that leaves no more than rounding errors.
TensorFit BestFit(const std::vector<float>& x, const std::vector<float>& y, bool vector);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_FIT_H_
