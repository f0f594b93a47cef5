#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/trace/first_bad.h"
#include "lib/trace/group_size.h"
#include "lib/trace/traced_group.h"

namespace onnxquant {
namespace {

constexpr std::size_t kStepTokens = 16;
constexpr std::uint64_t kMemory = 512'000'000;

void Look(absl::Span<const Tensor> tensors, absl::Span<BadCounts> counts) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    VisitFloats(tensors[i], [&](absl::Span<const float> floats) { counts[i].Add(floats); });
  }
}

class FaultTracer {
 public:
  FaultTracer(const FirstBadOptions& options, const TracedModel& model)
      : options_(options),
        runner_{options.factory, options.runner, options.inputs},
        model_(model),
        counts_(model.values().size()) {}

  absl::StatusOr<std::optional<FirstBad>> Run() {
    if (counts_.empty()) return std::nullopt;
    {
      ONNXQUANT_ASSIGN_OR_RETURN(TracedGroup whole, Load(0, counts_.size()));
      const bool texts =
          std::all_of(options_.samples.begin(), options_.samples.end(), [](const Sample& sample) {
            return sample.given == nullptr && sample.padding == Padding::kNone;
          });
      if (texts && whole.decoder() != nullptr && whole.decoder()->cached()) {
        return StepThrough(whole);
      }
    }
    return RunInGroups();
  }

 private:
  absl::StatusOr<TracedGroup> Load(std::size_t first, std::size_t end) const {
    return TracedGroup::Load(model_, IndicesOf(first, end), runner_);
  }

  // Short steps bound the memory, and end where the fault begins.
  absl::StatusOr<std::optional<FirstBad>> StepThrough(TracedGroup& values) {
    for (const Sample& sample : options_.samples) {
      const std::vector<std::int64_t>& sequence = sample.tokens;
      values.decoder()->Reset();
      for (std::size_t at = 0; at < sequence.size(); at += kStepTokens) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        ONNXQUANT_ASSIGN_OR_RETURN(
            const std::vector<Tensor> results,
            values.Step(absl::MakeConstSpan(sequence).subspan(at, kStepTokens)));
        Look(results, absl::MakeSpan(counts_));
        if (auto found = FirstBadAmong(model_.values(), counts_)) return found;
      }
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<FirstBad>> RunInGroups() {
    GroupSize group(kMemory);
    std::size_t first = 0;
    while (first < counts_.size()) {
      const std::size_t end = std::min(first + group.values(), counts_.size());
      ONNXQUANT_ASSIGN_OR_RETURN(TracedGroup values, Load(first, end));
      std::uint64_t most = 1;
      for (const Sample& sample : options_.samples) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results, values.Run(sample));
        Look(results, absl::MakeSpan(counts_).subspan(first));
        most = std::max(most, BytesOf(results));
      }
      group.Learn(most, end - first);
      first = end;
    }
    return FirstBadAmong(model_.values(), counts_);
  }

  const FirstBadOptions& options_;
  const TraceRunner runner_;
  const TracedModel& model_;
  std::vector<BadCounts> counts_;
};

}  // namespace

absl::StatusOr<std::optional<FirstBad>> TraceFirstBad(const FirstBadOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TracedModel model, TracedModel::Load(options.model));
  return FaultTracer(options, model).Run();
}

}  // namespace onnxquant
