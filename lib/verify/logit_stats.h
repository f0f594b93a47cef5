// How far one model's logits at one position are from another's: pure functions over slices.
#ifndef ONNXQUANT_LIB_VERIFY_LOGIT_STATS_H_
#define ONNXQUANT_LIB_VERIFY_LOGIT_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant {

inline constexpr std::size_t kTopCount = 5;

// Indices of the largest values, largest first, the lower index first among equals; fewer when
// there are fewer values. NaN counts as smaller than everything.
std::vector<std::size_t> TopIndices(absl::Span<const float> logits, std::size_t count);

struct NonFinite {
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;  // of either sign
  bool any() const { return nan + inf > 0; }
};
NonFinite CountNonFinite(absl::Span<const float> values);

// What the reference says at one position; the logits must be finite and outlive this. Everything
// is computed in float64.
class ReferencePosition {
 public:
  explicit ReferencePosition(absl::Span<const float> logits);

  absl::Span<const float> logits() const { return logits_; }
  absl::Span<const double> probabilities() const { return probabilities_; }
  // ln of the sum of exp(logit).
  double log_sum() const { return log_sum_; }
  const std::vector<std::size_t>& top() const { return top_; }
  // -ln of the token's probability, in nats.
  double Loss(std::size_t token) const { return log_sum_ - logits_[token]; }

 private:
  absl::Span<const float> logits_;
  std::vector<double> probabilities_;
  double log_sum_ = 0;
  std::vector<std::size_t> top_;
};

struct PositionComparison {
  double kl = 0;               // KL(reference || candidate), in nats
  bool same_top = false;       // the likeliest token is the same
  double top_overlap = 0;      // share of the reference's five likeliest that are among ours
  double largest_error = 0;    // largest |candidate's logit - reference's|
  std::optional<double> loss;  // of the candidate for the token that followed, where one did
};

// `candidate` is finite and as long as the reference.
//
// With logits r and c of the reference and the candidate, p = softmax(r), e = c - r and m the mean
// of e under p, the divergence sum(p ln(p / softmax(c))) is ln(sum(p exp(e - m))). Computed as
// log1p of the sum of p expm1(e - m), nothing cancels, however small it is and large the
// vocabulary.
PositionComparison ComparePosition(const ReferencePosition& reference,
                                   absl::Span<const float> candidate,
                                   std::optional<std::size_t> token);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_VERIFY_LOGIT_STATS_H_
