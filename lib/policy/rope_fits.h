// Reads the tables of rotary embeddings and finds the formula behind them.
#ifndef ONNXQUANT_LIB_POLICY_ROPE_FITS_H_
#define ONNXQUANT_LIB_POLICY_ROPE_FITS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "lib/analysis/rope_fit.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// Whether an output or a rule asks for tables to be computed.
bool ComputesRope(const Policy& policy);

// By cache of analysis.rope. Of what cannot be read, or may not be replaced, the fit is a refusal.
absl::StatusOr<std::vector<RopeFit>> FitRopeCaches(const Analysis& analysis,
                                                   const Evidence& evidence);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_ROPE_FITS_H_
