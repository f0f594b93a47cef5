// Texts that a model writes itself, several side by side.
#ifndef ONNXQUANT_LIB_RUNTIME_BATCH_TEXT_H_
#define ONNXQUANT_LIB_RUNTIME_BATCH_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/tokens.h"

namespace onnxquant {

struct BatchText {
  std::int64_t start = 1;     // the first token of each
  std::size_t first = 0;      // the number of the first sequence: its draws hang on seed and number
  std::size_t sequences = 1;  // above 1 only where the decoder takes batches
  std::size_t length = 256;   // tokens of each, `start` among them
  std::uint64_t seed = 0;
  std::function<bool()> cancelled = nullptr;
  // Given the named outputs of each step: for the newest token of each sequence or, of a decoder
  // without a cache, for all tokens so far. May be null.
  std::function<absl::Status(absl::Span<const Tensor>)> visit = nullptr;
  std::function<void()> wrote = nullptr;  // called for each token that all sequences have more
};

// Tokens drawn from the model's own distribution (temperature 1, the whole vocabulary). Resets the
// decoder. Errors: kUsage for a model without logits; kVerify for logits that are no numbers.
absl::StatusOr<TokenSequences> WriteBatch(Decoder& decoder, const BatchText& text,
                                          absl::Span<const std::string> outputs);

// As SampleIndex (self_text.h), fast for large vocabularies: exponentials are float32. Nothing
// where logits are NaN or infinite, -Inf aside.
std::optional<std::size_t> SampleFast(absl::Span<const float> logits, double uniform);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_BATCH_TEXT_H_
