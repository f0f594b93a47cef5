#include "lib/runtime/batch_text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/runtime/random.h"

namespace onnxquant {
namespace {

constexpr std::size_t kBlock = 1024;
constexpr float kNothing = -100;  // float32 holds no exponential of what is below

// NaN where one of them is NaN.
float Largest(absl::Span<const float> values) {
  constexpr std::size_t kLanes = 8;
  float lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), -std::numeric_limits<float>::infinity());
  float sum = 0;  // of zeros and NaN
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
    }
  }
  for (; i < values.size(); ++i) lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
  for (const float value : values) sum += std::isnan(value) ? value : 0.0F;
  return *std::max_element(std::begin(lanes), std::end(lanes)) + sum;
}

float Weight(float logit, float largest) {
  const float below = logit - largest;
  return below < kNothing ? 0.0F : std::exp(below);
}

absl::Status CheckLogits(const Tensor& logits, std::size_t sequences) {
  const std::vector<std::int64_t>& dims = logits.dims();
  if (logits.is_float() && dims.size() == 3 && dims[0] == static_cast<std::int64_t>(sequences) &&
      dims[1] >= 1 && dims[2] >= 1) {
    return absl::OkStatus();
  }
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat("the logits are ", NameOf(logits.type()), DimsText(dims),
                                "; expected floats [", sequences, ", positions, vocabulary]"));
}

// The next token of each sequence.
absl::StatusOr<std::vector<std::int64_t>> Draw(const Tensor& logits, std::vector<Random>& randoms) {
  ONNXQUANT_RETURN_IF_ERROR(CheckLogits(logits, randoms.size()));
  const auto positions = static_cast<std::size_t>(logits.dims()[1]);
  const auto vocabulary = static_cast<std::size_t>(logits.dims()[2]);
  std::vector<std::int64_t> tokens(randoms.size());
  ONNXQUANT_RETURN_IF_ERROR(RunTiles(randoms.size(), 0, nullptr, [&](std::size_t i) {
    std::vector<float> scratch;
    const auto row = logits.Floats(((i + 1) * positions - 1) * vocabulary, vocabulary, scratch);
    const std::optional<std::size_t> drawn = SampleFast(row, randoms[i].Uniform());
    if (!drawn.has_value()) {
      return MakeError(ErrorKind::kVerify,
                       "the model cannot write text: its logits are NaN or infinite");
    }
    tokens[i] = static_cast<std::int64_t>(*drawn);
    return absl::OkStatus();
  }));
  return tokens;
}

}  // namespace

std::optional<std::size_t> SampleFast(absl::Span<const float> logits, double uniform) {
  const float largest = Largest(logits);
  if (!std::isfinite(largest)) return std::nullopt;
  std::vector<double> sums;
  sums.reserve(logits.size() / kBlock + 1);
  double total = 0;
  for (std::size_t first = 0; first < logits.size(); first += kBlock) {
    double sum = 0;
    for (const float logit : logits.subspan(first, kBlock)) sum += Weight(logit, largest);
    sums.push_back(sum);
    total += sum;
  }
  double left = uniform * total;
  std::size_t block = 0;
  while (block + 1 < sums.size() && left >= sums[block]) left -= sums[block++];
  std::size_t last = block * kBlock;  // that may be drawn: rounding may eat the rest
  for (std::size_t i = block * kBlock; i < std::min((block + 1) * kBlock, logits.size()); ++i) {
    const double weight = Weight(logits[i], largest);
    if (weight > 0) last = i;
    left -= weight;
    if (left < 0) return i;
  }
  return last;
}

absl::StatusOr<TokenSequences> WriteBatch(Decoder& decoder, const BatchText& text,
                                          absl::Span<const std::string> outputs) {
  if (decoder.text().logits.empty()) {
    return UsageError("the model has no output 'logits' and writes no text; its outputs are ",
                      NamesText(decoder.signature().outputs));
  }
  std::vector<Random> randoms;
  for (std::size_t i = 0; i < text.sequences; ++i) {
    randoms.emplace_back(text.seed, absl::StrCat("sequence ", text.first + i));
  }
  std::vector<std::string> wanted = {decoder.text().logits};
  if (text.visit) wanted.insert(wanted.end(), outputs.begin(), outputs.end());
  TokenSequences sequences(text.sequences, {text.start});
  std::vector<std::int64_t> newest(text.sequences, text.start);
  decoder.Reset(static_cast<std::int64_t>(text.sequences));
  // The last tokens are read for the visitor alone.
  for (std::size_t at = 1; at < text.length + (text.visit ? 1 : 0); ++at) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(text.cancelled));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> results, decoder.Step(newest, wanted));
    if (text.visit) {
      ONNXQUANT_RETURN_IF_ERROR(text.visit(absl::MakeConstSpan(results).subspan(1)));
    }
    if (at == text.length) break;
    ONNXQUANT_ASSIGN_OR_RETURN(newest, Draw(results[0], randoms));
    for (std::size_t i = 0; i < newest.size(); ++i) sequences[i].push_back(newest[i]);
    if (text.wrote) text.wrote();
  }
  decoder.Reset();
  return sequences;
}

}  // namespace onnxquant
