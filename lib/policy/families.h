// Families of models, as one table: by what each is recognised, and which policy suits it.
#ifndef ONNXQUANT_LIB_POLICY_FAMILIES_H_
#define ONNXQUANT_LIB_POLICY_FAMILIES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/policy/plan.h"

namespace onnxquant {

struct Family {
  absl::string_view name;                      // "Gemma 2 and 3"
  absl::string_view policy;                    // a built-in one
  absl::Span<const absl::string_view> dtypes;  // of its outputs; empty: all
  // What it is and by what that is seen, in a sentence; "" where it is of another family.
  std::string (*evidence)(const Analysis& analysis) = nullptr;
};

// The more special ones first; the last recognises every model.
absl::Span<const Family> Families();

// The first that recognises the model.
const Family& FamilyOf(const Analysis& analysis);

// Whether it has the norms of Gemma 2 and 3 on every branch.
bool IsGemma(const Analysis& analysis);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_FAMILIES_H_
