// Which values of a model are to be observed: what its products with constant matrices read.
#ifndef ONNXQUANT_LIB_STATISTICS_TARGETS_H_
#define ONNXQUANT_LIB_STATISTICS_TARGETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

struct ObservedValue {
  ValueId value = kNone;
  std::string name;
  std::int64_t size = 0;              // K: elements of a row
  int layer = kNone;                  // of the first reader
  std::vector<NodeId> readers;        // products, in the graph's order of weights
  std::vector<std::int64_t> outputs;  // N of each reader: elements of what it gives for a row
  std::vector<ValueId> weights;       // what they multiply it with; each once
};

// A product whose input is not observed, and why: a clause.
struct Unobserved {
  std::string node;  // in words
  std::string reason;
};

struct ObservedValues {
  std::vector<ObservedValue> values;  // producers before consumers; each value once
  std::vector<Unobserved> others;
};

// Of products that conversion stores in codes (lib/formats/product.h). Errors (kModel): weights
// that are codes already; no product to observe at all.
absl::StatusOr<ObservedValues> FindTargets(const Graph& graph, const ValueTypes& types,
                                           const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_TARGETS_H_
