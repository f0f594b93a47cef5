#include "lib/trace/value_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lib/base/error.h"
#include "lib/trace/group_size.h"

namespace onnxquant {
namespace {

constexpr float kMaskFill = 1e30F;

// A value that both models have, as indices of theirs.
struct CommonValue {
  std::size_t reference = 0;
  std::size_t candidate = 0;
};

class ValueComparison {
 public:
  ValueComparison(const ValueErrorOptions& options, const TracedModel& reference,
                  const TracedModel& candidate)
      : options_(options), reference_(reference), candidate_(candidate) {
    absl::flat_hash_map<std::string, std::size_t> by_name;
    for (std::size_t i = 0; i < candidate.values().size(); ++i) {
      by_name[candidate.values()[i].name] = i;
    }
    for (std::size_t i = 0; i < reference.values().size(); ++i) {
      const auto found = by_name.find(reference.values()[i].name);
      if (found != by_name.end()) common_.push_back({i, found->second});
    }
  }

  absl::StatusOr<std::vector<ValueError>> Run() {
    GroupSize size(options_.memory);
    std::size_t first = 0;
    while (first < common_.size()) {
      const std::size_t count = std::min(size.values(), common_.size() - first);
      ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                                 RunGroup(absl::MakeConstSpan(common_).subspan(first, count)));
      size.Learn(bytes, count);
      first += count;
    }
    return std::move(errors_);
  }

 private:
  // Gives the most bytes that a step took.
  absl::StatusOr<std::uint64_t> RunGroup(absl::Span<const CommonValue> values) {
    std::vector<std::size_t> reference_values;
    std::vector<std::size_t> candidate_values;
    for (const CommonValue& value : values) {
      reference_values.push_back(value.reference);
      candidate_values.push_back(value.candidate);
    }
    ONNXQUANT_ASSIGN_OR_RETURN(
        TracedGroup reference,
        TracedGroup::Load(reference_, reference_values, options_.reference_runner));
    ONNXQUANT_ASSIGN_OR_RETURN(
        TracedGroup candidate,
        TracedGroup::Load(candidate_, candidate_values, options_.candidate_runner));
    sums_.assign(values.size(), {});
    same_shape_.assign(values.size(), true);
    std::uint64_t most = 1;
    for (const Sample& sample : options_.samples) {
      ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                                 RunSample(reference, candidate, sample));
      most = std::max(most, bytes);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!same_shape_[i]) continue;
      const TracedValue& value = reference_.values()[values[i].reference];
      ValueError error;
      error.name = value.name;
      error.node = value.node;
      error.op = value.op;
      error.layer = value.layer;
      sums_[i].Finish(error);
      errors_.push_back(std::move(error));
    }
    return most;
  }

  absl::StatusOr<std::uint64_t> RunSample(TracedGroup& reference, TracedGroup& candidate,
                                          const Sample& sample) {
    const auto sequence = absl::MakeConstSpan(sample.tokens);
    const auto has_cache = [](TracedGroup& group) {
      return group.decoder() != nullptr && group.decoder()->cached();
    };
    if (sample.given != nullptr || sample.padding != Padding::kNone || !has_cache(reference) ||
        !has_cache(candidate)) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> expected, reference.Run(sample));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> given, candidate.Run(sample));
      return Add(expected, given);
    }
    reference.decoder()->Reset();
    candidate.decoder()->Reset();
    std::uint64_t most = 1;
    for (std::size_t at = 0; at < sequence.size(); at += options_.chunk) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
      const absl::Span<const std::int64_t> tokens = sequence.subspan(at, options_.chunk);
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> expected, reference.Step(tokens));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> given, candidate.Step(tokens));
      most = std::max(most, Add(expected, given));
    }
    return most;
  }

  std::uint64_t Add(absl::Span<const Tensor> expected, absl::Span<const Tensor> given) {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      if (expected[i].dims() != given[i].dims()) {
        same_shape_[i] = false;
        continue;
      }
      VisitFloatPairs(expected[i], given[i], [&](auto a, auto b) { sums_[i].Add(a, b); });
    }
    return BytesOf(expected) + BytesOf(given);
  }

  const ValueErrorOptions& options_;
  const TracedModel& reference_;
  const TracedModel& candidate_;
  std::vector<CommonValue> common_;
  std::vector<ValueErrorSums> sums_;  // of the group that runs
  std::vector<bool> same_shape_;
  std::vector<ValueError> errors_;
};

// For the order of values: the lower, the worse.
double Quality(const ValueError& error) {
  return error.bad > 0 ? -std::numeric_limits<double>::infinity() : error.sqnr;
}

}  // namespace

void ValueErrorSums::Add(absl::Span<const float> reference, absl::Span<const float> candidate) {
  elements_ += reference.size();
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (!(std::abs(reference[i]) < kMaskFill)) continue;
    if (!std::isfinite(candidate[i])) {
      ++bad_;
      continue;
    }
    const double r = reference[i];
    const double c = candidate[i];
    ++counted_;
    reference_square_ += r * r;
    candidate_square_ += c * c;
    product_ += r * c;
    difference_square_ += (r - c) * (r - c);
  }
}

void ValueErrorSums::Finish(ValueError& error) const {
  error.elements = elements_;
  error.bad = bad_;
  if (counted_ == 0) {
    error.sqnr = bad_ > 0 ? std::numeric_limits<double>::quiet_NaN() : kHighestSqnr;
    return;
  }
  double noise = difference_square_;
  if (product_ > 0) {
    error.scale = std::exp2(std::round(std::log2(product_ / candidate_square_)));
    if (error.scale != 1) {
      noise = reference_square_ + error.scale * (error.scale * candidate_square_ - 2 * product_);
    }
  }
  error.sqnr = kHighestSqnr;
  if (noise > 0) {
    error.sqnr =
        std::clamp(10 * std::log10(reference_square_ / noise), -kHighestSqnr, kHighestSqnr);
    const double lengths = std::sqrt(reference_square_) * std::sqrt(candidate_square_);
    error.cosine = lengths > 0 ? std::min(1.0, product_ / lengths) : 0;
  }
}

absl::StatusOr<std::vector<ValueError>> CompareValues(const ValueErrorOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TracedModel reference, TracedModel::Load(options.reference));
  ONNXQUANT_ASSIGN_OR_RETURN(const TracedModel candidate, TracedModel::Load(options.candidate));
  return ValueComparison(options, reference, candidate).Run();
}

std::vector<LayerError> ByLayer(absl::Span<const ValueError> errors) {
  std::map<int, LayerError> layers;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const auto [found, added] = layers.try_emplace(errors[i].layer);
    LayerError& layer = found->second;
    layer.layer = errors[i].layer;
    layer.last = i;
    if (added || Quality(errors[i]) < Quality(errors[layer.worst])) layer.worst = i;
  }
  std::vector<LayerError> ordered;
  for (const auto& [number, layer] : layers) {
    if (number >= 0) ordered.push_back(layer);
  }
  if (layers.contains(-1)) ordered.push_back(layers[-1]);
  return ordered;
}

}  // namespace onnxquant
