#include "lib/verify/logit_stats.h"

#include <algorithm>
#include <cmath>

namespace onnxquant {
namespace {

// Beyond it exp(error) swamps everything else, and the plain formula loses nothing.
constexpr double kLargeError = 30;

double LogSum(absl::Span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

// NaN below everything, lower indices first among equals.
bool Before(absl::Span<const float> values, std::size_t a, std::size_t b) {
  const bool nan_a = std::isnan(values[a]);
  const bool nan_b = std::isnan(values[b]);
  if (nan_a || nan_b) return !nan_a || (nan_b && a < b);
  return values[a] != values[b] ? values[a] > values[b] : a < b;
}

}  // namespace

std::vector<std::size_t> TopIndices(absl::Span<const float> logits, std::size_t count) {
  std::vector<std::size_t> top;
  if (count == 0) return top;
  // Nearly every value falls at the first comparison, with the last of the few that are kept.
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (top.size() == count && !Before(logits, i, top.back())) continue;
    if (top.size() == count) top.pop_back();
    const auto place = std::find_if(top.begin(), top.end(),
                                    [&](std::size_t other) { return Before(logits, i, other); });
    top.insert(place, i);
  }
  return top;
}

NonFinite CountNonFinite(absl::Span<const float> values) {
  NonFinite count;
  for (const float value : values) {
    count.nan += std::isnan(value) ? 1 : 0;
    count.inf += std::isinf(value) ? 1 : 0;
  }
  return count;
}

ReferencePosition::ReferencePosition(absl::Span<const float> logits)
    : logits_(logits), probabilities_(logits.size()), top_(TopIndices(logits, kTopCount)) {
  const double largest = logits[top_.front()];
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    probabilities_[i] = std::exp(logits[i] - largest);
    sum += probabilities_[i];
  }
  for (double& probability : probabilities_) probability /= sum;
  log_sum_ = largest + std::log(sum);
}

PositionComparison ComparePosition(const ReferencePosition& reference,
                                   absl::Span<const float> candidate,
                                   std::optional<std::size_t> token) {
  const absl::Span<const float> expected = reference.logits();
  const absl::Span<const double> probabilities = reference.probabilities();
  const std::vector<std::size_t> top = TopIndices(candidate, kTopCount);
  PositionComparison result;
  double weight = 0;  // of all probabilities: 1, but for rounding
  double mean = 0;
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    const double error = static_cast<double>(candidate[i]) - expected[i];
    weight += probabilities[i];
    mean += probabilities[i] * error;
    result.largest_error = std::max(result.largest_error, std::abs(error));
  }
  mean /= weight;
  double excess = 0;
  double farthest = 0;
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    const double error = static_cast<double>(candidate[i]) - expected[i] - mean;
    excess += probabilities[i] * std::expm1(std::min(error, kLargeError));
    farthest = std::max(farthest, error);
  }
  result.kl = farthest <= kLargeError
                  ? std::log1p(excess / weight)
                  : LogSum(candidate, candidate[top.front()]) - reference.log_sum() - mean;
  result.same_top = top.front() == reference.top().front();
  std::size_t shared = 0;
  for (const std::size_t index : reference.top()) {
    shared += std::count(top.begin(), top.end(), index) > 0 ? 1 : 0;
  }
  result.top_overlap = static_cast<double>(shared) / static_cast<double>(reference.top().size());
  // The logarithm of the candidate's own sum follows from the divergence.
  if (token.has_value()) {
    result.loss = reference.log_sum() + mean + result.kl - candidate[*token];
  }
  return result;
}

}  // namespace onnxquant
