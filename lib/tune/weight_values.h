// What a weight becomes in a format, and how far that is from what it was.
#ifndef ONNXQUANT_LIB_TUNE_WEIGHT_VALUES_H_
#define ONNXQUANT_LIB_TUNE_WEIGHT_VALUES_H_

#include <atomic>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/methods/choose.h"
#include "lib/model/model.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

struct ValuesOptions {
  methods::FactorSource* factors = nullptr;  // for methods that read statistics
  int threads = 0;
  const std::atomic<bool>* cancelled = nullptr;
};

// The numbers that a runtime computes with where the job has been done: in blocks of codes, or in a
// float type. In the order of the constant's own elements. The memory is that of the constant as
// float32 and of what is stored. Errors: those of filling a tensor.
absl::StatusOr<std::vector<float>> ValuesStored(const Model& model, const FillJob& job,
                                                const ValuesOptions& options);

// The constant itself as float32. Errors: kModel, kInternal for a type that is no float.
absl::StatusOr<std::vector<float>> ValuesOfSource(const Model& model,
                                                  const onnx::TensorProto& tensor);

// A weight as what multiplies it sees it: [K,N], or, transposed, [N,K].
struct WeightShape {
  std::size_t k = 0;
  std::size_t n = 0;
  bool transposed = false;
};

// The sum over outputs n of c_n (w_n - v_n)^T H (w_n - v_n), with H = `moments` [K,K], or the
// identity where there are none, and c = `counts` [N], or 1. Of more than 8192 outputs those that
// count most are looked at, and of the others so many that they are 8192, evenly spread, which
// count for all.
absl::StatusOr<double> ErrorOf(const WeightShape& shape, absl::Span<const float> weights,
                               absl::Span<const float> values, absl::Span<const float> moments,
                               absl::Span<const float> counts, const ValuesOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_WEIGHT_VALUES_H_
