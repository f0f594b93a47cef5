// Tables of rotary embeddings that nodes make instead of being stored.
#ifndef ONNXQUANT_LIB_REWRITE_ROPE_TABLES_H_
#define ONNXQUANT_LIB_REWRITE_ROPE_TABLES_H_

#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"

namespace onnxquant {

// Positions from 0 on, times the frequencies, and what is the cosine or sine of that, in float32:
// before all other nodes of the main graph. Runtimes fold them when they load the model.
void MakeRopeTables(const EmitInput& input, GraphWriter& writer);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_ROPE_TABLES_H_
