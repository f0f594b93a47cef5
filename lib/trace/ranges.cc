#include "lib/trace/ranges.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/text_source.h"
#include "lib/trace/group_size.h"
#include "lib/trace/traced_model.h"

namespace onnxquant {
namespace {

constexpr std::size_t kProbeTokens = 8;
constexpr std::size_t kSlice = 1 << 16;  // elements turned into float32 at once

std::vector<std::size_t> Numbers(std::size_t first, std::size_t end) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = first; i < end; ++i) numbers.push_back(i);
  return numbers;
}

class RangeMeter {
 public:
  RangeMeter(const RangesOptions& options, TracedModel model, RangeReport& ranges)
      : options_(options), model_(std::move(model)), ranges_(ranges) {}

  absl::Status Run() {
    const std::size_t count = model_.values().size();
    if (count == 0) return ModelError(options_.model, ": no node of it makes floats");
    ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, Load(0, count));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto text, FindTextInterface(runner->signature()));
    if (text.has_value()) return RunOnText(std::move(runner));
    runner.reset();
    return RunInGrowingGroups();
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
    ONNXQUANT_ASSIGN_OR_RETURN(const ModelSource source, model_.WithOutputs(Numbers(first, end)));
    return options_.factory(source, options_.runner);
  }

  absl::Status RunOnText(std::unique_ptr<Runner> runner) {
    const std::size_t count = model_.values().size();
    ONNXQUANT_ASSIGN_OR_RETURN(std::optional<Decoder> whole,
                               Decoder::Create(std::move(runner), options_.inputs));
    ONNXQUANT_ASSIGN_OR_RETURN(sequences_,
                               GetTokens({options_.model, options_.tokens, options_.count,
                                          options_.inputs.seed, options_.cancelled},
                                         *whole));
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
        ONNXQUANT_RETURN_IF_ERROR(MeasureGroup(first, end).status());
      } else {
        ONNXQUANT_RETURN_IF_ERROR(MeasureText(*whole, first, end));
      }
      first = end;
    }
    return absl::OkStatus();
  }

  // Bytes that each value will take at most in a step of the longest sequence. Two short steps
  // tell values that grow with the tokens of a step from those that grow with all before, too.
  absl::StatusOr<std::vector<double>> ForeseeSizes(Decoder& decoder) const {
    const std::size_t count = model_.values().size();
    std::size_t longest = 0;
    for (const auto& sequence : sequences_) longest = std::max(longest, sequence.size());
    const auto& sequence = sequences_.front();
    const std::size_t tokens = std::min(kProbeTokens, sequence.size());
    const auto probe = absl::MakeConstSpan(sequence).subspan(0, tokens);
    decoder.Reset();
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> short_step,
                               decoder.Step(probe, NamesOf(0, count)));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> long_step,
                               decoder.Step(probe, NamesOf(0, count)));
    std::vector<double> sizes;
    for (std::size_t i = 0; i < count; ++i) {
      const auto bytes = static_cast<double>(short_step[i].bytes().size());
      const bool grows = long_step[i].bytes().size() > short_step[i].bytes().size();
      const auto step = static_cast<double>(std::min(options_.chunk, longest));
      const auto all = static_cast<double>(longest);
      const auto probed = static_cast<double>(tokens);
      sizes.push_back(bytes * step / probed * (grows ? std::max(1.0, all / probed) : 1.0));
    }
    return sizes;
  }

  // Models without tokens run once for each group; what the first take tells how many fit.
  absl::Status RunInGrowingGroups() {
    sequences_ = TokenSequences(1);
    GroupSize group(options_.memory);
    std::size_t first = 0;
    while (first < model_.values().size()) {
      const std::size_t end = std::min(first + group.values(), model_.values().size());
      ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes, MeasureGroup(first, end));
      group.Learn(bytes, end - first);
      first = end;
    }
    return absl::OkStatus();
  }

  // Gives the bytes that the values took.
  absl::StatusOr<std::uint64_t> MeasureGroup(std::size_t first, std::size_t end) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, Load(first, end));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto text, FindTextInterface(runner->signature()));
    if (text.has_value()) {
      ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder,
                                 Decoder::Create(std::move(runner), options_.inputs));
      ONNXQUANT_RETURN_IF_ERROR(MeasureText(decoder, first, end));
      return 0;
    }
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled());
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> inputs,
                               MakeInputs(runner->signature(), options_.inputs));
    const absl::StatusOr<std::vector<Tensor>> results = runner->Run(inputs, NamesOf(first, end));
    if (!results.ok()) return SuggestDimensions(results.status(), runner->signature());
    std::vector<RangeStats> stats(results->size());
    const std::uint64_t bytes = AddAll(*results, stats);
    Keep(first, stats);
    return bytes;
  }

  absl::Status MeasureText(Decoder& decoder, std::size_t first, std::size_t end) {
    const std::vector<std::string> names = NamesOf(first, end);
    std::vector<RangeStats> stats(names.size());
    for (const std::vector<std::int64_t>& sequence : sequences_) {
      decoder.Reset();
      for (std::size_t at = 0; at < sequence.size(); at += options_.chunk) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled());
        if (!decoder.cached()) decoder.Reset();
        ONNXQUANT_ASSIGN_OR_RETURN(
            const std::vector<Tensor> results,
            decoder.Step(absl::MakeConstSpan(sequence).subspan(at, options_.chunk), names));
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

  static std::uint64_t AddAll(const std::vector<Tensor>& tensors, std::vector<RangeStats>& stats) {
    std::uint64_t bytes = 0;
    std::vector<float> scratch;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      bytes += tensors[i].bytes().size();
      const std::size_t elements = tensors[i].elements();
      for (std::size_t first = 0; first < elements; first += kSlice) {
        stats[i].Add(tensors[i].Floats(first, std::min(kSlice, elements - first), scratch));
      }
    }
    return bytes;
  }

  const RangesOptions& options_;
  TracedModel model_;
  RangeReport& ranges_;
  TokenSequences sequences_;
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
