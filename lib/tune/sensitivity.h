// How far a language model's next tokens move when one of its weights does.
#ifndef ONNXQUANT_LIB_TUNE_SENSITIVITY_H_
#define ONNXQUANT_LIB_TUNE_SENSITIVITY_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/tokens.h"

namespace onnxquant {

struct SensitivityOptions {
  std::string model;
  std::string tokens;       // a file, or kSelf
  std::size_t count = 128;  // tokens in all
  std::size_t longest = 0;  // of a text of its own; 0: no bound
  InputOptions inputs;      // with the seed
  RunnerOptions runner;
  RunnerFactory factory;
  std::function<bool()> cancelled;
};

// A loaded model whose weights can be given other values for a run, one at a time: it is loaded
// once, and its own logits on the text are kept.
class Sensitivity {
 public:
  // `weights`: initializers of the model's main graph. Errors: kUsage for a model that takes no
  // tokens or gives no logits, and those of reading tokens and running the model.
  static absl::StatusOr<Sensitivity> Create(const SensitivityOptions& options,
                                            absl::Span<const std::string> weights);

  Sensitivity(Sensitivity&&) noexcept;
  ~Sensitivity();

  // Sixteen hexadecimal digits that tell texts apart.
  const std::string& text() const;
  std::size_t positions() const;

  // The mean over positions of KL(model || model with the weight as `tensor`), in nats.
  absl::StatusOr<double> KlWith(const NamedTensor& weight);

 private:
  struct State;
  explicit Sensitivity(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_SENSITIVITY_H_
