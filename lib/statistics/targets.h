// Which values of a model are to be observed: what its products with constant matrices read, and
// its Convs that are such products of channels.
#ifndef ONNXQUANT_LIB_STATISTICS_TARGETS_H_
#define ONNXQUANT_LIB_STATISTICS_TARGETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Where a row's elements lie in a value: along its last axis, but for the channels of a Conv and
// the first axis of a Gemm's transposed operand.
struct RowsAlong {
  int axis = kNone;  // kNone: the last one, of however many
  int rank = 0;      // dimensions of the value, where the axis is said
  bool operator==(const RowsAlong&) const = default;
};

struct ObservedValue {
  ValueId value = kNone;
  std::string name;
  std::int64_t size = 0;  // K: elements of a row
  RowsAlong along;
  int layer = kNone;                  // of the first reader
  std::vector<Use> readers;           // of weights: by products, in the graph's order of weights
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

// Whether it is one of several products, whose output is no product's.
bool IsMixtureOfExperts(const Graph& graph, NodeId node);

// Of products that conversion stores in codes (lib/formats/product.h). Readers of one value read
// the same rows. Errors (kModel): weights
// that are codes already; no product to observe at all.
absl::StatusOr<ObservedValues> FindTargets(const Graph& graph, const ValueTypes& types,
                                           const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_TARGETS_H_
