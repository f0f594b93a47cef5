// How large the residual stream can become, from the weights alone.
#ifndef ONNXQUANT_LIB_POLICY_RESIDUAL_BOUND_H_
#define ONNXQUANT_LIB_POLICY_RESIDUAL_BOUND_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/analysis/residual_stream.h"
#include "lib/model/model.h"

namespace onnxquant {

struct StreamBound {
  double peak = 0;        // no element of the stream is larger in magnitude, whatever the input
  std::string unbounded;  // the value for which no bound is known; "" when `peak` holds
};

// A norm divides each element by the root of the mean square, so none of the n elements of its
// result exceeds sqrt(n) |gain| (+ |bias|); an embedding does not exceed its table. Where every
// branch ends in a norm, as in Gemma 2 and 3, and the stream begins with an embedding, the sum of
// these, channel by channel, bounds the stream. Reads the gains and the table.
absl::StatusOr<StreamBound> BoundStream(const Graph& graph, const ResidualStream& stream,
                                        const Model& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_RESIDUAL_BOUND_H_
