// How far a model's inner values are from another's: where along the graph the error comes in.
#ifndef ONNXQUANT_LIB_TRACE_VALUE_ERRORS_H_
#define ONNXQUANT_LIB_TRACE_VALUE_ERRORS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/samples.h"
#include "lib/trace/traced_group.h"

namespace onnxquant {

struct ValueErrorOptions {
  std::string reference;
  std::string candidate;
  TraceRunner reference_runner;
  TraceRunner candidate_runner;
  std::vector<Sample> samples = std::vector<Sample>(1);  // the models run once for each
  std::size_t chunk = 64;                                // tokens a step
  // Values are fetched in groups of about so many bytes, both models' together.
  std::uint64_t memory = 512'000'000;
  std::function<bool()> cancelled;
};

// The signal-to-noise ratio of values that do not differ.
inline constexpr double kHighestSqnr = 200;

struct ValueError {
  std::string name;
  std::string node;  // that makes it in the reference, in words
  std::string op;
  int layer = -1;
  std::uint64_t elements = 0;
  // 10 log10(Σ r² / Σ (r - s c)²) in dB over the elements r and c that are finite in both, within
  // ±kHighestSqnr. NaN where none is.
  double sqnr = 0;
  double cosine = 1;
  // s: the power of two that fits the candidate's values to the reference's. Other than 1 where the
  // candidate is scaled, as a rescaled residual stream is.
  double scale = 1;
  std::uint64_t bad = 0;  // elements that are NaN or Inf where the reference is finite
};

// Sums over pairs of elements, from which a ValueError is made. Mask fills (magnitudes of 1e30 and
// more in the reference) are left out: their size carries nothing.
class ValueErrorSums {
 public:
  void Add(absl::Span<const float> reference, absl::Span<const float> candidate);
  // Fills in `elements` and what follows it.
  void Finish(ValueError& error) const;

 private:
  std::uint64_t elements_ = 0;
  std::uint64_t counted_ = 0;
  std::uint64_t bad_ = 0;
  double reference_square_ = 0;
  double candidate_square_ = 0;
  double product_ = 0;
  double difference_square_ = 0;
};

// The float values that both models have under the same name and in the same shape, producers
// before consumers. Both run on the same inputs: in steps of `chunk` tokens of a text where both
// have a cache, else on whole samples. Errors: those of loading and running.
absl::StatusOr<std::vector<ValueError>> CompareValues(const ValueErrorOptions& options);

// One layer of a transformer, or what lies outside of layers (-1).
struct LayerError {
  int layer = -1;
  std::size_t last = 0;   // index of the layer's last value: what it hands to the next
  std::size_t worst = 0;  // of the value with the lowest ratio
};
// By layer, ascending, then what lies outside, which ends with the logits; a value with NaN or Inf
// is the worst, the first of them.
std::vector<LayerError> ByLayer(absl::Span<const ValueError> errors);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_VALUE_ERRORS_H_
