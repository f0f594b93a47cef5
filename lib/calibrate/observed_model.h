// Copies of a model that give what is to be observed, and compute nothing else.
#ifndef ONNXQUANT_LIB_CALIBRATE_OBSERVED_MODEL_H_
#define ONNXQUANT_LIB_CALIBRATE_OBSERVED_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/runner.h"
#include "lib/statistics/targets.h"

namespace onnxquant {

class ObservedModel {
 public:
  // Reads the graph, not the external data. Errors (kModel): a file that cannot be read or whose
  // graph is invalid.
  static absl::StatusOr<ObservedModel> Load(const std::string& path);

  ObservedModel(ObservedModel&&) noexcept;
  ObservedModel& operator=(ObservedModel&&) noexcept;
  ~ObservedModel();

  // The last dimension of its logits as the model declares it; -1 where it does not.
  std::int64_t vocabulary() const;

  // A value of the main graph. Its rows are given along the last axis, wherever they lie in it.
  struct Observed {
    std::string value;
    RowsAlong along = {};
  };
  struct View {
    ModelSource source;
    std::vector<std::string> outputs;  // what gives each value, in the order asked for
  };
  // The model with `values` as outputs beside its own. Without `logits` that
  // output is left out, with the nodes that nothing else needs: in small language models the
  // product that makes logits is most of the work.
  absl::StatusOr<View> WithOutputs(absl::Span<const Observed> values, bool logits) const;

 private:
  struct State;
  explicit ObservedModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_OBSERVED_MODEL_H_
