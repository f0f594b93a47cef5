// The names that a model's values have, which those of new tensors must not take.
#ifndef ONNXQUANT_LIB_POLICY_VALUE_NAMES_H_
#define ONNXQUANT_LIB_POLICY_VALUE_NAMES_H_

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_names.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// The names look into the graph.
struct ValueNames {
  UniqueNames taken;
  absl::flat_hash_set<absl::string_view> shared;  // of several values, in different scopes
};

inline ValueNames NamesOfValues(const Graph& graph) {
  ValueNames names;
  for (const Value& value : graph.values()) {
    if (!names.taken.Insert(value.name)) names.shared.insert(value.name);
  }
  return names;
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_VALUE_NAMES_H_
