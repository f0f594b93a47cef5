// Given arrays as a model's inputs.
#ifndef ONNXQUANT_LIB_RUNTIME_FIT_INPUTS_H_
#define ONNXQUANT_LIB_RUNTIME_FIT_INPUTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/input_files.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/signature.h"

namespace onnxquant {

struct FittedInputs {
  std::vector<NamedTensor> inputs;   // one for each of the signature, in its order
  std::vector<std::string> made_up;  // those that no array was given for
};

// Holds arrays against a signature: names, element types, ranks and fixed dimensions. Floats are
// rounded to the float type that an input has, integers become another integer type that holds
// them. An array without a name (of a .npy file) is that of the one input that cannot be made up.
// What is not given but follows from the rest is made up: empty caches, masks of ones, positions,
// token types. Errors (kUsage) begin with the set's origin; `model` is named in them. `strict`:
// arrays that are no inputs are refused, too, but for what tokenizers always give.
absl::StatusOr<FittedInputs> FitInputs(const std::string& model, const Signature& signature,
                                       const InputSet& set, const InputOptions& options,
                                       bool strict);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_FIT_INPUTS_H_
