// Constants of which one holds the other's transpose: an embedding's table, and the head that an
// exporter folded a Transpose of it into.
#ifndef ONNXQUANT_LIB_REWRITE_TRANSPOSES_H_
#define ONNXQUANT_LIB_REWRITE_TRANSPOSES_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/model/model.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

// Whether the job's codes are the same whichever way its constant's matrix lies.
bool MayLieEitherWay(const FillJob& job);

// A few elements of such a job's constant, the same ones whichever way its matrix lies.
std::string SamplesEitherWay(const FillJob& job, absl::Span<const std::byte> bytes);

// Whether one job's constant [K,N] is the other's [N,K] transposed, bit for bit. Both are read in
// bands, once, and given back to the system.
absl::StatusOr<bool> AreTransposes(const Model& model, const FillJob& a, const FillJob& b);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_TRANSPOSES_H_
