// Casts where a value goes from one type to another.
#ifndef ONNXQUANT_LIB_REWRITE_CASTS_H_
#define ONNXQUANT_LIB_REWRITE_CASTS_H_

#include <string>
#include <utility>

#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"
#include "lib/rewrite/made_once.h"

namespace onnxquant {

struct CastTable {
  MadeOnce<std::pair<ValueId, ElementType>, std::string> of_values;  // by what is cast, and to what
  int written = 0;
};

// Knows the Casts that make outputs of the main graph, which stand behind what they cast.
CastTable StartCastTable(const EmitInput& input);

// The name under which a slot reads its value in the type it needs.
std::string InputName(const EmitInput& input, const Use& slot, GraphWriter& writer,
                      CastTable& casts);

// The name under which a value is read in another type. (kHere: what a body gives must be made in
// it.)
std::string CastOf(const EmitInput& input, ValueId value, ElementType to, Look look,
                   GraphWriter& writer, CastTable& casts);

// The Cast that makes one of the cast outputs.
void EmitOutputCast(const EmitInput& input, ValueId output, GraphWriter& writer, CastTable& casts);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_CASTS_H_
