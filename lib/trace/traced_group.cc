#include "lib/trace/traced_group.h"

#include <numeric>

#include "lib/base/error.h"

namespace onnxquant {

absl::StatusOr<TracedGroup> TracedGroup::Load(const TracedModel& model,
                                              absl::Span<const std::size_t> values,
                                              const TraceRunner& runner) {
  ONNXQUANT_ASSIGN_OR_RETURN(const ModelSource source, model.WithOutputs(values));
  ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> loaded,
                             runner.factory(source, runner.options));
  ONNXQUANT_ASSIGN_OR_RETURN(AnyModel any, AnyModel::Create(std::move(loaded), runner.inputs));
  std::vector<std::string> names;
  for (const std::size_t value : values) names.push_back(model.values()[value].name);
  return TracedGroup(std::move(any), std::move(names));
}

std::vector<std::size_t> IndicesOf(std::size_t first, std::size_t end) {
  std::vector<std::size_t> indices(end - first);
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

std::uint64_t BytesOf(absl::Span<const Tensor> tensors) {
  std::uint64_t bytes = 0;
  for (const Tensor& tensor : tensors) bytes += tensor.bytes().size();
  return bytes;
}

}  // namespace onnxquant
