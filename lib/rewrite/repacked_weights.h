// Weights of the source in codes, as their new readers take them.
#ifndef ONNXQUANT_LIB_REWRITE_REPACKED_WEIGHTS_H_
#define ONNXQUANT_LIB_REWRITE_REPACKED_WEIGHTS_H_

#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"

namespace onnxquant {

// The initializers of each weight that the plan packs anew, and the jobs that fill them.
void StoreRepacked(const EmitInput& input, GraphWriter& writer);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REPACKED_WEIGHTS_H_
