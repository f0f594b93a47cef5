#include "lib/verify/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace onnxquant {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr double kNormal95 = 1.959963984540054;

}  // namespace

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return kNothing;
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double Mean(absl::Span<const double> values) {
  if (values.empty()) return kNothing;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Perplexity PerplexityOf(absl::Span<const double> losses) {
  const double mean = Mean(losses);
  if (losses.size() < 2) return {std::exp(mean), kNothing, kNothing};
  double squares = 0;
  for (const double loss : losses) squares += (loss - mean) * (loss - mean);
  const auto count = static_cast<double>(losses.size());
  const double half = kNormal95 * std::sqrt(squares / (count - 1) / count);
  return {std::exp(mean), std::exp(mean - half), std::exp(mean + half)};
}

void PositionLog::Add(const ReferencePosition& reference, absl::Span<const float> candidate,
                      std::optional<std::size_t> token) {
  const NonFinite counted = CountNonFinite(candidate);
  nan += counted.nan;
  inf += counted.inf;
  if (token.has_value()) reference_losses.push_back(reference.Loss(*token));
  if (counted.any()) {
    ++bad;
    kl_course.push_back(kNothing);
    return;
  }
  const PositionComparison compared = ComparePosition(reference, candidate, token);
  kl.push_back(compared.kl);
  kl_course.push_back(compared.kl);
  same_top += compared.same_top ? 1 : 0;
  overlap += compared.top_overlap;
  largest_error = std::max(largest_error, compared.largest_error);
  if (compared.loss.has_value()) {
    losses.push_back(*compared.loss);
    differences.push_back(*compared.loss - reference_losses.back());
  }
}

KlCourse CourseOf(absl::Span<const double> kl) {
  KlCourse course;
  course.each = std::max<std::size_t>(1, (kl.size() + kMaxCourse - 1) / kMaxCourse);
  for (std::size_t first = 0; first < kl.size(); first += course.each) {
    double largest = 0;
    for (const double value : kl.subspan(first, course.each)) {
      // Once NaN, it stays: no comparison with NaN holds.
      if (!(value <= largest)) largest = std::isnan(largest) ? largest : value;
    }
    course.largest.push_back(largest);
  }
  return course;
}

Summary Summarize(const PositionLog& log) {
  Summary summary;
  const auto finite = static_cast<double>(log.kl.size());
  summary.positions = log.kl.size() + log.bad;
  summary.nan = log.nan;
  summary.inf = log.inf;
  summary.bad = log.bad;
  summary.kl_mean = Mean(log.kl);
  summary.kl_median = Quantile(log.kl, 0.5);
  summary.kl_p99 = Quantile(log.kl, 0.99);
  summary.kl_p999 = Quantile(log.kl, 0.999);
  summary.kl_max = Quantile(log.kl, 1);
  summary.kl_by_position = CourseOf(log.kl_course);
  summary.top1 = log.kl.empty() ? kNothing : static_cast<double>(log.same_top) / finite;
  summary.top5 = log.kl.empty() ? kNothing : log.overlap / finite;
  summary.largest_error = log.kl.empty() ? kNothing : log.largest_error;
  summary.perplexity = PerplexityOf(log.losses);
  summary.reference_perplexity = PerplexityOf(log.reference_losses);
  summary.ratio = PerplexityOf(log.differences);
  return summary;
}

}  // namespace onnxquant
