#include "lib/trace/first_bad.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/runtime/decoder.h"

namespace onnxquant {
namespace {

constexpr std::size_t kStepTokens = 16;
constexpr std::size_t kSlice = 1 << 16;  // elements turned into float32 at once
constexpr double kMaskFill = 1e30;       // masks are filled with -3.4e38 or -1e38

// Operators that make masks, or hand them on, without arithmetic.
bool OnlyMoves(const std::string& op) {
  static const char* const kMovers[] = {
      "Constant", "ConstantOfShape", "Expand",    "Where",           "Gather",
      "GatherND", "Slice",           "Concat",    "Split",           "Reshape",
      "Squeeze",  "Unsqueeze",       "Transpose", "Identity",        "Trilu",
      "Tile",     "ScatterND",       "Flatten",   "ScatterElements", "If"};
  return std::find(std::begin(kMovers), std::end(kMovers), op) != std::end(kMovers);
}

double InputPeak(const TracedValue& value, absl::Span<const BadCounts> counts) {
  double peak = 0;
  for (const std::size_t input : value.inputs) peak = std::max(peak, counts[input].peak);
  return peak;
}

void Look(const std::vector<Tensor>& tensors, std::vector<BadCounts>& counts) {
  std::vector<float> scratch;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t elements = tensors[i].elements();
    for (std::size_t first = 0; first < elements; first += kSlice) {
      counts[i].Add(tensors[i].Floats(first, std::min(kSlice, elements - first), scratch));
    }
  }
}

std::optional<FirstBad> Found(const TracedModel& model, absl::Span<const BadCounts> counts) {
  const std::optional<std::size_t> first = FindFirstBad(model.values(), counts);
  if (!first.has_value()) return std::nullopt;
  FirstBad bad;
  bad.value = model.values()[*first];
  bad.counts = counts[*first];
  bad.input_peak = InputPeak(bad.value, counts);
  bad.values = counts.size();
  for (const BadCounts& count : counts) bad.bad_values += count.any() ? 1 : 0;
  return bad;
}

}  // namespace

void BadCounts::Add(absl::Span<const float> values) {
  for (const float value : values) {
    if (std::isfinite(value)) {
      peak = std::max<double>(peak, std::abs(value));
    } else {
      (std::isnan(value) ? nan : value > 0 ? inf : negative_inf) += 1;
    }
  }
}

std::optional<std::size_t> FindFirstBad(absl::Span<const TracedValue> values,
                                        absl::Span<const BadCounts> counts) {
  std::vector<bool> mask(values.size(), false);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!counts[i].any()) continue;
    bool reads_mask = false;
    bool reads_bad = false;
    for (const std::size_t input : values[i].inputs) {
      reads_mask |= mask[input];
      reads_bad |= counts[input].any() && !mask[input];
    }
    const bool narrowed_mask = values[i].op == "Cast" && InputPeak(values[i], counts) > kMaskFill;
    const bool only_negative = counts[i].nan + counts[i].inf == 0;
    if (only_negative && (reads_mask || narrowed_mask || OnlyMoves(values[i].op))) {
      mask[i] = true;
    } else if (!reads_bad) {
      return i;
    }
  }
  return std::nullopt;
}

std::string DescribeFirstBad(const FirstBad& bad) {
  std::vector<std::string> found;
  if (bad.counts.nan > 0) found.push_back(absl::StrCat(bad.counts.nan, " NaN"));
  if (bad.counts.inf > 0) found.push_back(absl::StrCat(bad.counts.inf, " Inf"));
  if (bad.counts.negative_inf > 0) {
    found.push_back(absl::StrCat(bad.counts.negative_inf, " -Inf"));
  }
  const std::string layer =
      bad.value.layer < 0 ? "outside layers" : absl::StrCat("layer ", bad.value.layer);
  return absl::StrFormat(
      "the first value with NaN or Inf is '%s' (%s, %s): %s; what that node reads reaches %.4g, "
      "and %d of %d values have some",
      bad.value.name, bad.value.node, layer, absl::StrJoin(found, ", "), bad.input_peak,
      bad.bad_values, bad.values);
}

absl::StatusOr<std::optional<FirstBad>> TraceFirstBad(const std::string& path,
                                                      const RunnerFactory& factory,
                                                      const RunnerOptions& runner_options,
                                                      const InputOptions& inputs,
                                                      absl::Span<const std::int64_t> tokens,
                                                      const std::function<bool()>& cancelled) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TracedModel model, TracedModel::Load(path));
  std::vector<std::size_t> all;
  std::vector<std::string> names;
  for (const TracedValue& value : model.values()) {
    all.push_back(all.size());
    names.push_back(value.name);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const ModelSource source, model.WithOutputs(all));
  ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner, factory(source, runner_options));
  std::vector<BadCounts> counts(names.size());
  if (tokens.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> made,
                               MakeInputs(runner->signature(), inputs));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results, runner->Run(made, names));
    Look(results, counts);
    return Found(model, counts);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder, Decoder::Create(std::move(runner), inputs));
  for (std::size_t first = 0; first < tokens.size(); first += kStepTokens) {
    if (cancelled && cancelled()) return MakeError(ErrorKind::kCancelled, "interrupted");
    if (!decoder.cached()) decoder.Reset();
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results,
                               decoder.Step(tokens.subspan(first, kStepTokens), names));
    Look(results, counts);
    if (auto found = Found(model, counts)) return found;
  }
  return std::optional<FirstBad>();
}

}  // namespace onnxquant
