// Text that a model writes itself, to measure with where no other is at hand.
#ifndef ONNXQUANT_LIB_RUNTIME_SELF_TEXT_H_
#define ONNXQUANT_LIB_RUNTIME_SELF_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/decoder.h"

namespace onnxquant {

// The index of the largest value, the first of equals. NaN is never larger.
std::size_t ArgMax(absl::Span<const float> values);

// An index drawn with the probabilities softmax(logits); `uniform` is in [0, 1).
std::size_t SampleIndex(absl::Span<const float> logits, double uniform);

// Tokens drawn from the model's own distribution (temperature 1), after `start`, which is the first
// of the `count` that are returned. Greedy text would soon repeat itself. Resets the decoder.
absl::StatusOr<std::vector<std::int64_t>> WriteSelfText(Decoder& decoder, std::int64_t start,
                                                        std::size_t count, std::uint64_t seed,
                                                        const std::function<bool()>& cancelled);

struct GreedyText {
  std::vector<std::int64_t> tokens;
  // The median of the steps that read one token, but for the first of them, in which providers
  // prepare kernels; 0 where there is no other.
  double seconds_per_token = 0;
};

// The `count` tokens that the model finds likeliest one after the other behind `prompt`.
absl::StatusOr<GreedyText> WriteGreedily(Decoder& decoder, absl::Span<const std::int64_t> prompt,
                                         std::size_t count, const std::function<bool()>& cancelled);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_SELF_TEXT_H_
