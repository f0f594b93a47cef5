// What nodes and values are called in the output.
#ifndef ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_
#define ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_

#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
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
  const Graph* graph = nullptr;
  absl::flat_hash_map<ValueId, std::string> renamed;  // few, so that not all names are held twice
  // Float graph outputs whose type is not the one in which they are made, and their type: a Cast
  // makes the output under its old name. Ordered, because names are given in its order.
  absl::btree_map<ValueId, ElementType> cast_outputs;

  // Of what is left out, the name of what is read instead.
  const std::string& Of(ValueId value) const {
    const auto found = renamed.find(value);
    return found == renamed.end() ? graph->value(value).name : found->second;
  }
};
OutputNames NameValues(const RewriteInput& input, const StoredConstants& constants,
                       UniqueNames& taken);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_VALUE_NAMES_H_
