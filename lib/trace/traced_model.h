// A model whose inner values can be looked at: copies of its graph that give them as outputs.
#ifndef ONNXQUANT_LIB_TRACE_TRACED_MODEL_H_
#define ONNXQUANT_LIB_TRACE_TRACED_MODEL_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/runner.h"

namespace onnxquant {

struct TracedValue {
  std::string name;
  std::string node;                 // that makes it, in words: "node 'add' (Add)"
  std::string op;                   // its operator, "Add"
  int layer = -1;                   // of a transformer, from 0; -1 outside layers
  std::vector<std::size_t> inputs;  // traced values that the node reads
};

class TracedModel {
 public:
  // Reads the graph, not the external data. Errors (kModel): a file that cannot be read or whose
  // graph is invalid.
  static absl::StatusOr<TracedModel> Load(const std::string& path);

  TracedModel(TracedModel&&) noexcept;
  TracedModel& operator=(TracedModel&&) noexcept;
  ~TracedModel();

  // Every float value that a node of the main graph makes, producers before consumers. Left out:
  // those in the bodies of If, Loop and Scan, which cannot be given out, and weights in another
  // form (a transposed embedding of 671 MB, the same in every step): what nodes make of
  // initializers alone, one of them above 65,536 elements.
  const std::vector<TracedValue>& values() const;
  int layers() const;

  // The model with these values, by index, as outputs beside its own. External data stays where it
  // is and is not read. Error (kModel): a graph that does not fit into 2 GB.
  absl::StatusOr<ModelSource> WithOutputs(absl::Span<const std::size_t> values) const;

 private:
  struct State;
  explicit TracedModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_TRACED_MODEL_H_
