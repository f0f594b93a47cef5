#include "lib/runtime/self_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "lib/base/error.h"
#include "lib/runtime/random.h"

namespace onnxquant {
namespace {

// Logits of the last position after `tokens`.
absl::StatusOr<std::vector<float>> LastLogits(Decoder& decoder,
                                              absl::Span<const std::int64_t> tokens) {
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Tensor> results,
                             decoder.Step(tokens, {decoder.text().logits}));
  ONNXQUANT_ASSIGN_OR_RETURN(const LogitRows rows, LastRows(std::move(results[0]), 1));
  std::vector<float> scratch;
  const absl::Span<const float> row = rows.Row(0, scratch);
  return std::vector<float>(row.begin(), row.end());
}

absl::Status NeedLogits(const Decoder& decoder) {
  if (!decoder.text().logits.empty()) return absl::OkStatus();
  return UsageError("the model has no output 'logits' and writes no text; its outputs are ",
                    NamesText(decoder.signature().outputs));
}

}  // namespace

std::size_t ArgMax(absl::Span<const float> values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || std::isnan(values[best])) best = i;
  }
  return best;
}

std::size_t SampleIndex(absl::Span<const float> logits, double uniform) {
  const double largest = logits[ArgMax(logits)];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  double left = uniform * sum;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    left -= std::exp(logits[i] - largest);
    if (left < 0) return i;
  }
  return ArgMax(logits);  // rounding has eaten the rest
}

absl::StatusOr<std::vector<std::int64_t>> WriteSelfText(Decoder& decoder, std::int64_t start,
                                                        std::size_t count, std::uint64_t seed,
                                                        const std::function<bool()>& cancelled) {
  ONNXQUANT_RETURN_IF_ERROR(NeedLogits(decoder));
  Random random(seed, "self");
  decoder.Reset();
  std::vector<std::int64_t> tokens = {start};
  while (tokens.size() < count) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(cancelled));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> logits,
                               LastLogits(decoder, {&tokens.back(), 1}));
    tokens.push_back(static_cast<std::int64_t>(SampleIndex(logits, random.Uniform())));
  }
  decoder.Reset();
  return tokens;
}

absl::StatusOr<GreedyText> WriteGreedily(Decoder& decoder, absl::Span<const std::int64_t> prompt,
                                         std::size_t count,
                                         const std::function<bool()>& cancelled) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kUncounted = 2;  // the prompt, and the first step of one token
  ONNXQUANT_RETURN_IF_ERROR(NeedLogits(decoder));
  decoder.Reset();
  GreedyText text;
  std::vector<double> seconds;
  absl::Span<const std::int64_t> next = prompt;
  while (text.tokens.size() < count) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(cancelled));
    const Clock::time_point start = Clock::now();
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> logits, LastLogits(decoder, next));
    if (text.tokens.size() >= kUncounted) {
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    text.tokens.push_back(static_cast<std::int64_t>(ArgMax(logits)));
    next = {&text.tokens.back(), 1};
  }
  decoder.Reset();
  if (!seconds.empty()) {
    const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    text.seconds_per_token = *middle;
  }
  return text;
}

}  // namespace onnxquant
