// What to do about a rule that matches nothing in a model.
#ifndef ONNXQUANT_LIB_POLICY_UNMATCHED_H_
#define ONNXQUANT_LIB_POLICY_UNMATCHED_H_

#include <string>

#include "lib/policy/plan.h"
#include "lib/policy/policy.h"

namespace onnxquant {

// What the rule may have meant, as "; …": another spelling of a name or glob, or, of a built-in
// policy for another family, the policy of this one. "" where nothing comes near.
std::string WhyUnmatched(const Analysis& analysis, const Policy& policy, const Rule& rule);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_UNMATCHED_H_
