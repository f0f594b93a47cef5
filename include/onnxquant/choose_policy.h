// Which built-in policy suits a model, where the user names none.
//
//   auto choice = onnxquant::ChoosePolicy("onnx/model.onnx");
//   onnxquant::Quantize("onnx/model.onnx", {.policy = choice->policy, .dtypes = choice->dtypes},
//   {});
#ifndef ONNXQUANT_CHOOSE_POLICY_H_
#define ONNXQUANT_CHOOSE_POLICY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"
#include "onnxquant/model_in_memory.h"

namespace onnxquant {

// What was found, as data: nothing is read but the model's structure. A plan asks for it where its
// policy is kAutoPolicy.
struct PolicyChoice {
  std::string policy = {};               // "gemma-web"
  std::vector<std::string> dtypes = {};  // of its outputs; empty: all
  std::string family = {};               // "Gemma 2 or 3"
  std::string why = {};  // "it is a language model: it has a key-value cache and …", a sentence
};

// Errors: kModel (no model), kUsage: one whose floats are in 16 bits already, since such a file is
// to be checked first (check.h).
ONNXQUANT_EXPORT absl::StatusOr<PolicyChoice> ChoosePolicy(const std::string& model_path);
// The same for a model that the caller holds.
ONNXQUANT_EXPORT absl::StatusOr<PolicyChoice> ChoosePolicy(const ModelInMemory& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_CHOOSE_POLICY_H_
