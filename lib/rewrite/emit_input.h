// All that is settled before a node is written.
#ifndef ONNXQUANT_LIB_REWRITE_EMIT_INPUT_H_
#define ONNXQUANT_LIB_REWRITE_EMIT_INPUT_H_

#include "lib/rewrite/rewrite_input.h"
#include "lib/rewrite/stored_constants.h"
#include "lib/rewrite/value_names.h"

namespace onnxquant {

// Made with all that it has: it has no default.
struct EmitInput : RewriteInput {  // NOLINT(cppcoreguidelines-pro-type-member-init)
  StoredConstants constants;
  OutputNames names;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_EMIT_INPUT_H_
