#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/runtime/decoder.h"
#include "lib/trace/first_bad.h"
#include "lib/trace/group_size.h"

namespace onnxquant {
namespace {

constexpr std::size_t kStepTokens = 16;
constexpr std::size_t kWholeTokens = 512;  // that a model without a cache reads at once
constexpr std::uint64_t kMemory = 512'000'000;
constexpr std::size_t kSlice = 1 << 16;  // elements turned into float32 at once

// Gives the bytes that the values took.
std::uint64_t Look(const std::vector<Tensor>& tensors, absl::Span<BadCounts> counts) {
  std::vector<float> scratch;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    bytes += tensors[i].bytes().size();
    const std::size_t elements = tensors[i].elements();
    for (std::size_t first = 0; first < elements; first += kSlice) {
      counts[i].Add(tensors[i].Floats(first, std::min(kSlice, elements - first), scratch));
    }
  }
  return bytes;
}

class FaultTracer {
 public:
  FaultTracer(const FirstBadOptions& options, const TracedModel& model)
      : options_(options), model_(model), counts_(model.values().size()) {}

  absl::StatusOr<std::optional<FirstBad>> Run() {
    if (counts_.empty()) return std::nullopt;
    ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, Load(0, counts_.size()));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto text, FindTextInterface(runner->signature()));
    if (text.has_value() && !text->caches.empty()) return StepThrough(std::move(runner));
    runner.reset();  // before the next is loaded
    return RunInGroups(text.has_value());
  }

 private:
  absl::Status CheckCancelled() const {
    if (!options_.cancelled || !options_.cancelled()) return absl::OkStatus();
    return MakeError(ErrorKind::kCancelled, "interrupted");
  }

  std::vector<std::string> NamesOf(std::size_t first, std::size_t end) const {
    std::vector<std::string> names;
    for (std::size_t i = first; i < end; ++i) names.push_back(model_.values()[i].name);
    return names;
  }

  absl::StatusOr<std::unique_ptr<Runner>> Load(std::size_t first, std::size_t end) const {
    std::vector<std::size_t> values;
    for (std::size_t i = first; i < end; ++i) values.push_back(i);
    ONNXQUANT_ASSIGN_OR_RETURN(const ModelSource source, model_.WithOutputs(values));
    return options_.factory(source, options_.runner);
  }

  // Short steps bound the memory, and end where the fault begins.
  absl::StatusOr<std::optional<FirstBad>> StepThrough(std::unique_ptr<Runner> runner) {
    const std::vector<std::string> names = NamesOf(0, counts_.size());
    ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder,
                               Decoder::Create(std::move(runner), options_.inputs));
    for (const std::vector<std::int64_t>& sequence : options_.sequences) {
      decoder.Reset();
      for (std::size_t at = 0; at < sequence.size(); at += kStepTokens) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled());
        ONNXQUANT_ASSIGN_OR_RETURN(
            const std::vector<Tensor> results,
            decoder.Step(absl::MakeConstSpan(sequence).subspan(at, kStepTokens), names));
        Look(results, absl::MakeSpan(counts_));
        if (auto found = FirstBadAmong(model_.values(), counts_)) return found;
      }
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<FirstBad>> RunInGroups(bool takes_tokens) {
    GroupSize group(kMemory);
    std::size_t first = 0;
    while (first < counts_.size()) {
      const std::size_t end = std::min(first + group.values(), counts_.size());
      ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, Load(first, end));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                                 takes_tokens ? ReadSequences(std::move(runner), first, end)
                                              : RunOnce(*runner, first, end));
      group.Learn(bytes, end - first);
      first = end;
    }
    return FirstBadAmong(model_.values(), counts_);
  }

  absl::StatusOr<std::uint64_t> RunOnce(Runner& runner, std::size_t first, std::size_t end) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled());
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> made,
                               MakeInputs(runner.signature(), options_.inputs));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results,
                               runner.Run(made, NamesOf(first, end)));
    return Look(results, absl::MakeSpan(counts_).subspan(first));
  }

  absl::StatusOr<std::uint64_t> ReadSequences(std::unique_ptr<Runner> runner, std::size_t first,
                                              std::size_t end) {
    ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder,
                               Decoder::Create(std::move(runner), options_.inputs));
    std::uint64_t most = 0;
    for (const std::vector<std::int64_t>& sequence : options_.sequences) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled());
      decoder.Reset();
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::vector<Tensor> results,
          decoder.Step(absl::MakeConstSpan(sequence).subspan(0, kWholeTokens),
                       NamesOf(first, end)));
      most = std::max(most, Look(results, absl::MakeSpan(counts_).subspan(first)));
    }
    return most;
  }

  const FirstBadOptions& options_;
  const TracedModel& model_;
  std::vector<BadCounts> counts_;
};

}  // namespace

absl::StatusOr<std::optional<FirstBad>> TraceFirstBad(const FirstBadOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TracedModel model, TracedModel::Load(options.model));
  return FaultTracer(options, model).Run();
}

}  // namespace onnxquant
