#include "lib/trace/first_bad.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace onnxquant {
namespace {

constexpr double kMaskFill = 1e30;  // masks are filled with -3.4e38 or -1e38

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

std::optional<FirstBad> FirstBadAmong(absl::Span<const TracedValue> values,
                                      absl::Span<const BadCounts> counts) {
  const std::optional<std::size_t> first = FindFirstBad(values, counts);
  if (!first.has_value()) return std::nullopt;
  FirstBad bad;
  bad.value = values[*first];
  bad.counts = counts[*first];
  bad.input_peak = InputPeak(bad.value, counts);
  bad.values = counts.size();
  for (const BadCounts& count : counts) bad.bad_values += count.any() ? 1 : 0;
  return bad;
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
  const std::string reads =
      bad.input_peak > 0
          ? absl::StrFormat("what that node reads reaches %.4g, and ", bad.input_peak)
          : "";
  return absl::StrFormat(
      "the first value with NaN or Inf is '%s' (%s, %s): %s; %s%d of %d values have NaN or Inf",
      bad.value.name, bad.value.node, layer, absl::StrJoin(found, ", "), reads, bad.bad_values,
      bad.values);
}

}  // namespace onnxquant
