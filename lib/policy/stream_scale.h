// By how much the residual stream is scaled.
#ifndef ONNXQUANT_LIB_POLICY_STREAM_SCALE_H_
#define ONNXQUANT_LIB_POLICY_STREAM_SCALE_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/policy/plan_context.h"
#include "lib/policy/plan_nodes.h"

namespace onnxquant {

struct StreamScale {
  int exponent = 0;  // the stream is multiplied by 2^-exponent
  std::string why;
};

// The exponent that is asked for or, where it is to be chosen, the least with which the stream fits
// float16 where it is computed in it: by measured ranges if there are some, else by a bound from
// the weights.
absl::StatusOr<StreamScale> ChooseScale(const PlanContext& context, const ResidualRequest& request,
                                        const IdVector<NodePlan>& nodes);

// "2^-5"
std::string PowerOfTwo(int exponent);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_STREAM_SCALE_H_
