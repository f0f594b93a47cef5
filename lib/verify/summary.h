// Figures over many positions.
#ifndef ONNXQUANT_LIB_VERIFY_SUMMARY_H_
#define ONNXQUANT_LIB_VERIFY_SUMMARY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/verify/logit_stats.h"

namespace onnxquant {

// The q-quantile, 0 <= q <= 1, between the nearest two values by linear interpolation (NumPy's
// default, type 7 of Hyndman and Fan 1996). NaN of nothing.
double Quantile(std::vector<double> values, double q);
double Mean(absl::Span<const double> values);

// exp of the mean loss, with the 95 % interval that the losses' spread gives: exp(mean ± 1.96 s/√n)
// with s of n - 1 degrees of freedom. It says how well these tokens determine the perplexity of
// such text; two models on the same tokens differ far less (see Summary::ratio).
struct Perplexity {
  double value = 0;
  double low = 0;
  double high = 0;
};
Perplexity PerplexityOf(absl::Span<const double> losses);

// What is kept of each position.
struct PositionLog {
  std::vector<double> kl;
  std::vector<double> kl_course;         // of every position, NaN where the candidate is bad
  std::vector<double> losses;            // of positions that have a next token
  std::vector<double> differences;       // of these losses from the reference's
  std::vector<double> reference_losses;  // of those whose candidate is bad, too
  std::size_t same_top = 0;
  double overlap = 0;  // summed
  double largest_error = 0;
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  std::size_t bad = 0;  // positions with NaN or Inf, which enter nothing else of the candidate

  // Rows of equal length. `token`: the one that followed.
  void Add(const ReferencePosition& reference, absl::Span<const float> candidate,
           std::optional<std::size_t> token);
};

// The divergence along the text, in at most kMaxCourse steps.
inline constexpr std::size_t kMaxCourse = 2000;
struct KlCourse {
  std::size_t each = 1;         // positions a step; the last may have fewer
  std::vector<double> largest;  // of each step; NaN where a position has NaN or Inf
};
KlCourse CourseOf(absl::Span<const double> kl);

struct Summary {
  std::size_t positions = 0;  // compared, those with NaN or Inf included
  double kl_mean = 0;
  double kl_median = 0;
  double kl_p99 = 0;
  double kl_p999 = 0;
  double kl_max = 0;
  KlCourse kl_by_position;
  double top1 = 0;  // shares of 1
  double top5 = 0;
  Perplexity perplexity;
  Perplexity reference_perplexity;
  // exp of the mean difference of the losses at the same tokens: how much worse the candidate is.
  Perplexity ratio;
  double largest_error = 0;
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  std::size_t bad = 0;
};
// All figures but the counts and the reference's are NaN when no position was finite.
Summary Summarize(const PositionLog& log);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_VERIFY_SUMMARY_H_
