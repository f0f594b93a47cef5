// Some of a model's inner values, loaded to be looked at.
#ifndef ONNXQUANT_LIB_TRACE_TRACED_GROUP_H_
#define ONNXQUANT_LIB_TRACE_TRACED_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/any_model.h"
#include "lib/trace/traced_model.h"

namespace onnxquant {

// How a traced model is run.
struct TraceRunner {
  RunnerFactory factory;
  RunnerOptions options;
  InputOptions inputs;
};

class TracedGroup {
 public:
  // `values`: indices into model.values().
  static absl::StatusOr<TracedGroup> Load(const TracedModel& model,
                                          absl::Span<const std::size_t> values,
                                          const TraceRunner& runner);

  // Of a model that takes tokens; null for others.
  Decoder* decoder() { return model_.decoder(); }

  // The values, in the order asked for, for a step of the decoder.
  absl::StatusOr<std::vector<Tensor>> Step(absl::Span<const std::int64_t> tokens) {
    return decoder()->Step(tokens, names_);
  }
  absl::StatusOr<std::vector<Tensor>> Run(const Sample& sample) {
    return model_.Run(sample, names_);
  }
  const Signature& signature() const { return model_.signature(); }

 private:
  TracedGroup(AnyModel model, std::vector<std::string> names)
      : model_(std::move(model)), names_(std::move(names)) {}

  AnyModel model_;
  std::vector<std::string> names_;
};

// first, first + 1, … end - 1.
std::vector<std::size_t> IndicesOf(std::size_t first, std::size_t end);

std::uint64_t BytesOf(absl::Span<const Tensor> tensors);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_TRACED_GROUP_H_
