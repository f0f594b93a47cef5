#include "lib/trace/ranges.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/error.h"
#include "lib/runtime/text_source.h"
#include "lib/trace/group_size.h"
#include "lib/trace/traced_group.h"

namespace onnxquant {
namespace {

constexpr std::size_t kProbeTokens = 8;

class RangeMeter {
 public:
  RangeMeter(const RangesOptions& options, TracedModel model, RangeReport& ranges)
      : options_(options),
        runner_{options.factory, options.runner, options.inputs},
        model_(std::move(model)),
        ranges_(ranges) {}

  absl::Status Run() {
    const std::size_t count = model_.values().size();
    if (count == 0) return ModelError(options_.model, ": no node of it makes floats");
    {
      ONNXQUANT_ASSIGN_OR_RETURN(TracedGroup whole, Load(0, count));
      if (!options_.inputs.files.empty()) {
        ONNXQUANT_ASSIGN_OR_RETURN(
            GivenSamples given,
            ReadSamples(options_.model, whole.signature(), options_.inputs, options_.tokens));
        samples_ = std::move(given.samples);
        if (!given.note.empty()) ranges_.notes.push_back(std::move(given.note));
      } else if (whole.decoder() != nullptr) {
        return RunOnText(std::move(whole));
      } else {
        AddPaddedSamples(whole.signature(), options_.inputs, samples_);
      }
    }
    ONNXQUANT_RETURN_IF_ERROR(RunInGrowingGroups());
    ranges_.runs = samples_.size();
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<TracedGroup> Load(std::size_t first, std::size_t end) const {
    return TracedGroup::Load(model_, IndicesOf(first, end), runner_);
  }

  absl::Status RunOnText(std::optional<TracedGroup> whole) {
    const std::size_t count = model_.values().size();
    ONNXQUANT_ASSIGN_OR_RETURN(sequences_,
                               GetTokens({options_.model, options_.tokens, options_.count,
                                          options_.inputs.seed, options_.cancelled},
                                         *whole->decoder()));
    ranges_.tokens = CountTokens(sequences_);
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<double> sizes, ForeseeSizes(*whole));
    std::size_t first = 0;
    while (first < count) {
      double bytes = sizes[first];
      std::size_t end = first + 1;
      while (end < count && bytes + sizes[end] <= static_cast<double>(options_.memory)) {
        bytes += sizes[end++];
      }
      if (end - first < count) {
        whole.reset();  // before the next is loaded
        ONNXQUANT_ASSIGN_OR_RETURN(TracedGroup group, Load(first, end));
        ONNXQUANT_RETURN_IF_ERROR(MeasureText(group, first, end));
      } else {
        ONNXQUANT_RETURN_IF_ERROR(MeasureText(*whole, first, end));
      }
      first = end;
    }
    return absl::OkStatus();
  }

  // Bytes that each value will take at most in a step of the longest sequence. Two short steps
  // tell values that grow with the tokens of a step from those that grow with all before, too.
  absl::StatusOr<std::vector<double>> ForeseeSizes(TracedGroup& whole) const {
    std::size_t longest = 0;
    for (const auto& sequence : sequences_) longest = std::max(longest, sequence.size());
    const auto& sequence = sequences_.front();
    const std::size_t tokens = std::min(kProbeTokens, sequence.size());
    const auto probe = absl::MakeConstSpan(sequence).subspan(0, tokens);
    whole.decoder()->Reset();
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> short_step, whole.Step(probe));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> long_step, whole.Step(probe));
    std::vector<double> sizes;
    for (std::size_t i = 0; i < short_step.size(); ++i) {
      const auto bytes = static_cast<double>(short_step[i].bytes().size());
      const bool grows = long_step[i].bytes().size() > short_step[i].bytes().size();
      const auto step = static_cast<double>(std::min(options_.chunk, longest));
      const auto all = static_cast<double>(longest);
      const auto probed = static_cast<double>(tokens);
      sizes.push_back(bytes * step / probed * (grows ? std::max(1.0, all / probed) : 1.0));
    }
    return sizes;
  }

  // Whole samples, once for each group; what the first take tells how many fit.
  absl::Status RunInGrowingGroups() {
    GroupSize size(options_.memory);
    std::size_t first = 0;
    while (first < model_.values().size()) {
      const std::size_t end = std::min(first + size.values(), model_.values().size());
      ONNXQUANT_ASSIGN_OR_RETURN(TracedGroup group, Load(first, end));
      if (first == 0) ONNXQUANT_RETURN_IF_ERROR(DropPaddedThatFail(group));
      std::vector<RangeStats> stats(end - first);
      std::uint64_t most = 1;
      for (const Sample& sample : samples_) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results, group.Run(sample));
        AddAll(results, stats);
        most = std::max(most, BytesOf(results));
      }
      Keep(first, stats);
      size.Learn(most, end - first);
      first = end;
    }
    return absl::OkStatus();
  }

  // Not every model that leaves its batch open runs on two rows.
  absl::Status DropPaddedThatFail(TracedGroup& group) {
    std::vector<Sample> kept;
    for (Sample& sample : samples_) {
      if (sample.padding != Padding::kNone) {
        absl::Status status = group.Run(sample).status();
        if (!status.ok() && KindOf(status) != ErrorKind::kVerify) return status;
        if (!status.ok()) {
          ranges_.notes.push_back(PaddedFails(options_.model, status));
          continue;
        }
      }
      kept.push_back(std::move(sample));
    }
    samples_ = std::move(kept);
    return absl::OkStatus();
  }

  absl::Status MeasureText(TracedGroup& group, std::size_t first, std::size_t end) {
    std::vector<RangeStats> stats(end - first);
    for (const std::vector<std::int64_t>& sequence : sequences_) {
      group.decoder()->Reset();
      for (std::size_t at = 0; at < sequence.size(); at += options_.chunk) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        if (!group.decoder()->cached()) group.decoder()->Reset();
        ONNXQUANT_ASSIGN_OR_RETURN(
            const std::vector<Tensor> results,
            group.Step(absl::MakeConstSpan(sequence).subspan(at, options_.chunk)));
        AddAll(results, stats);
      }
    }
    Keep(first, stats);
    return absl::OkStatus();
  }

  // Finishes the group of values from `first` on.
  void Keep(std::size_t first, const std::vector<RangeStats>& stats) {
    for (std::size_t i = 0; i < stats.size(); ++i) {
      const TracedValue& value = model_.values()[first + i];
      ranges_.values.push_back({value.name, value.node, value.op, value.layer, stats[i].Finish()});
    }
    ++ranges_.groups;
    if (options_.progress) options_.progress(first + stats.size(), model_.values().size());
  }

  static void AddAll(absl::Span<const Tensor> tensors, std::vector<RangeStats>& stats) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      VisitFloats(tensors[i], [&](absl::Span<const float> floats) { stats[i].Add(floats); });
    }
  }

  const RangesOptions& options_;
  const TraceRunner runner_;
  TracedModel model_;
  RangeReport& ranges_;
  TokenSequences sequences_;
  std::vector<Sample> samples_ = std::vector<Sample>(1);  // of a model that reads no text
};

}  // namespace

absl::StatusOr<RangeReport> MeasureRanges(const RangesOptions& options) {
  RangeReport ranges;
  ranges.model = options.model;
  ONNXQUANT_ASSIGN_OR_RETURN(TracedModel model, TracedModel::Load(options.model));
  ranges.layers = model.layers();
  ONNXQUANT_RETURN_IF_ERROR(RangeMeter(options, std::move(model), ranges).Run());
  return ranges;
}

}  // namespace onnxquant
