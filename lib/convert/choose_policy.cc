#include "onnxquant/choose_policy.h"

#include <cstddef>
#include <string>

#include "lib/base/error.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/families.h"
#include "lib/policy/plan.h"

namespace onnxquant {
namespace {

// The lowest opset that models are converted to; families do not depend on it.
constexpr int kLeastOpset = 6;

// Whether more values, weights among them, are in 16 bits than in 32.
bool IsHalfAlready(const ValueTypes& types) {
  std::ptrdiff_t half = 0;
  std::ptrdiff_t single = 0;
  for (const ElementType type : types) {
    if (IsHalf(type)) ++half;
    if (type == ElementType::kFloat) ++single;
  }
  return half > single;
}

absl::StatusOr<PolicyChoice> Choose(const Model& model) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Analysis analysis, Analyze(model.proto(), model.path()));
  if (IsHalfAlready(analysis.types)) {
    return UsageError(model.path(), ": its floats are in 16 bits already: 'onnxquant check ",
                      model.path(),
                      "' says whether they are right and how to mend what is not; or say --policy");
  }
  const Family& family = FamilyOf(analysis);
  PolicyChoice choice;
  choice.policy = std::string(family.policy);
  choice.dtypes = {family.dtypes.begin(), family.dtypes.end()};
  choice.family = std::string(family.name);
  choice.why = family.evidence(analysis);
  return choice;
}

}  // namespace

absl::StatusOr<PolicyChoice> ChoosePolicy(const std::string& model_path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::LoadToConvert(model_path, kLeastOpset));
  return Choose(model);
}

absl::StatusOr<PolicyChoice> ChoosePolicy(const ModelInMemory& memory) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::FromMemoryToConvert(memory, kLeastOpset));
  return Choose(model);
}

}  // namespace onnxquant
