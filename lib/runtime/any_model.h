// Runs a model whatever it takes: tokens, arrays that are given, or inputs made up from its
// signature.
#ifndef ONNXQUANT_LIB_RUNTIME_ANY_MODEL_H_
#define ONNXQUANT_LIB_RUNTIME_ANY_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/samples.h"

namespace onnxquant {

// As many positions as most encoders have.
inline constexpr std::size_t kWholeTokens = 512;

class AnyModel {
 public:
  // Errors: those of Decoder::Create.
  static absl::StatusOr<AnyModel> Create(std::unique_ptr<Runner> runner,
                                         const InputOptions& inputs);

  const Signature& signature() const;

  // Of a model that takes tokens; null for others.
  Decoder* decoder() { return decoder_.has_value() ? &*decoder_ : nullptr; }

  // The named outputs for the sample: its arrays, the text's first kWholeTokens, or made-up inputs.
  absl::StatusOr<std::vector<Tensor>> Run(const Sample& sample,
                                          absl::Span<const std::string> outputs);

  // What the model is given in that run; nothing for a text without padding, which is fed as such.
  absl::StatusOr<std::vector<NamedTensor>> InputsOf(const Sample& sample) const;

 private:
  explicit AnyModel(InputOptions inputs);

  InputOptions inputs_;
  std::optional<Decoder> decoder_;
  std::unique_ptr<Runner> runner_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_ANY_MODEL_H_
