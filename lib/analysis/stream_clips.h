// Clips that keep the sums of the residual stream within float16.
#ifndef ONNXQUANT_LIB_ANALYSIS_STREAM_CLIPS_H_
#define ONNXQUANT_LIB_ANALYSIS_STREAM_CLIPS_H_

#include <vector>

#include "lib/analysis/roles.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// A clamp of a residual sum to ±limit, in a half type.
struct StreamClip {
  NodeId clip = kNone;
  NodeId sum = kNone;  // the residual Add before it, with nothing but Casts between
  double limit = 0;
};

// Conversions to float16 put a Clip to ±32752 or the like behind residual sums that would overflow:
// no part of the model, and wrong wherever it acts. Those whose two limits are constants of one
// magnitude from 8192 to 65504, in the order of the graph.
std::vector<StreamClip> FindStreamClips(const Graph& graph, const ValueTypes& types,
                                        const Roles& roles);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_STREAM_CLIPS_H_
