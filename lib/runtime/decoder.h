// Language models, fed token by token or in chunks, with or without a key-value cache.
#ifndef ONNXQUANT_LIB_RUNTIME_DECODER_H_
#define ONNXQUANT_LIB_RUNTIME_DECODER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"

namespace onnxquant {

// Which inputs and outputs of a model carry text; names as Transformers.js and optimum give them.
struct TextInterface {
  struct Cache {
    std::string past;     // input: past_key_values.0.key
    std::string present;  // output: present.0.key or present_key_values.0.key
  };
  std::string ids;     // decoder_input_ids, else input_ids
  std::string logits;  // "" for an encoder
  std::vector<Cache> caches;
  std::int64_t vocabulary = -1;  // of the logits; -1 when the model does not fix it
};

// Nothing for a model that takes no token ids. A cache of the encoder's keys and values may have no
// output: it is an input like others. Error (kVerify): another cache input without its output.
absl::StatusOr<std::optional<TextInterface>> FindTextInterface(const Signature& signature);

// One sequence, or several of one length side by side, positions from zero. What is no token, mask,
// position or cache (the encoder's states, say) is made up by MakeInput once and stays the same.
class Decoder {
 public:
  // Error (kVerify): a model that takes no token ids, or caches whose size is not fixed.
  static absl::StatusOr<Decoder> Create(std::unique_ptr<Runner> runner,
                                        const InputOptions& options);

  const TextInterface& text() const { return text_; }
  const Signature& signature() const { return runner_->signature(); }
  // For runs on inputs of the caller's own; the decoder's text is not touched.
  Runner& runner() { return *runner_; }
  // Whether a step sees earlier ones through a cache. Without one, Step() runs all tokens since the
  // last Reset() again.
  bool cached() const { return !text_.caches.empty(); }
  std::int64_t length() const { return length_; }

  // Whether several sequences can be fed at once: the model leaves its batch open wherever it takes
  // tokens, masks, positions and caches, and takes nothing else.
  bool TakesBatches() const;
  // What the caches take for one position of one sequence.
  std::uint64_t CacheBytesPerPosition() const;

  // Forgets what was fed; from now on `sequences` are fed side by side.
  void Reset(std::int64_t sequences = 1);

  // What an input that carries no tokens, masks, positions or caches is given from now on.
  void Give(const std::string& input, Tensor tensor) {
    others_.insert_or_assign(input, std::move(tensor));
  }

  // Appends tokens, as many to each sequence, one sequence after the other, and gives the named
  // outputs.
  absl::StatusOr<std::vector<Tensor>> Step(absl::Span<const std::int64_t> tokens,
                                           absl::Span<const std::string> outputs);

 private:
  Decoder(std::unique_ptr<Runner> runner, TextInterface text, InputOptions options);
  absl::StatusOr<Tensor> MakeStepInput(const ValueSignature& input,
                                       absl::Span<const std::int64_t> tokens);
  absl::Status KeepCaches(std::vector<Tensor>& results, std::size_t first);

  std::unique_ptr<Runner> runner_;
  TextInterface text_;
  InputOptions options_;
  std::int64_t length_ = 0;
  std::int64_t sequences_ = 1;
  std::vector<std::int64_t> history_;     // without a cache; sequence by sequence
  std::map<std::string, Tensor> past_;    // by cache input
  std::map<std::string, Tensor> others_;  // made once
};

// The logits of the last `count` positions as rows: the tensor [1, positions, vocabulary] with
// positions >= 1; fewer rows when the model gives fewer.
struct LogitRows {
  Tensor tensor;
  std::size_t first = 0;  // row of the tensor
  std::size_t rows = 0;
  std::size_t vocabulary = 0;
  absl::Span<const float> Row(std::size_t i, std::vector<float>& scratch) const {
    return tensor.Floats((first + i) * vocabulary, vocabulary, scratch);
  }
};
absl::StatusOr<LogitRows> LastRows(Tensor logits, std::size_t count);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_DECODER_H_
