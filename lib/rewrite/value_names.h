// What nodes and values are called in the output.
#ifndef ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_
#define ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_

#include <string>

#include "absl/container/btree_map.h"
#include "lib/base/id_vector.h"
#include "lib/base/unique_names.h"
#include "lib/rewrite/rewrite_input.h"
#include "lib/rewrite/stored_constants.h"

namespace onnxquant {

// Names that new values and new nodes must not have. They look into the input and the plan.
struct TakenNames {
  UniqueNames values;
  UniqueNames nodes;
};
TakenNames FindTakenNames(const RewriteInput& input);

struct OutputNames {
  IdVector<std::string> of;  // by ValueId: of what is left out, the name of what is read instead
  // Float graph outputs whose type is not the one in which they are made, and their type: a Cast
  // makes the output under its old name. Ordered, because names are given in its order.
  absl::btree_map<ValueId, ElementType> cast_outputs;
};
OutputNames NameValues(const RewriteInput& input, const StoredConstants& constants,
                       UniqueNames& taken);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_
