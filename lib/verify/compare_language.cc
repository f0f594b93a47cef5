#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/self_text.h"
#include "lib/verify/candidate.h"

namespace onnxquant {
namespace {

using Sequence = std::vector<std::int64_t>;
constexpr std::size_t kPromptTokens = 16;

absl::Status Mismatch(const std::string& message) {
  return MakeError(ErrorKind::kVerify, message);
}

// What would make the comparison meaningless and can be seen before anything runs.
absl::Status CheckInterface(const VerifyOptions& options, const Decoder& reference,
                            const Decoder& candidate, const std::string& model) {
  const TextInterface& expected = reference.text();
  const TextInterface& found = candidate.text();
  if (found.logits.empty()) {
    return Mismatch(absl::StrCat(model,
                                 ": has no output 'logits' [batch, positions, vocabulary], "
                                 "as the reference has; its outputs are ",
                                 NamesText(candidate.signature().outputs)));
  }
  if (expected.vocabulary >= 0 && found.vocabulary >= 0 &&
      expected.vocabulary != found.vocabulary) {
    return Mismatch(absl::StrCat(model, ": its vocabulary has ", found.vocabulary,
                                 " tokens, that of the reference ", options.reference, " has ",
                                 expected.vocabulary,
                                 "; models of different tokenizers cannot be compared"));
  }
  if (expected.caches.size() != found.caches.size()) {
    return Mismatch(absl::StrCat(model, ": has ", found.caches.size(),
                                 " key-value caches, the reference ", options.reference, " has ",
                                 expected.caches.size(), "; it is another model"));
  }
  for (const TextInterface::Cache& cache : expected.caches) {
    const ValueSignature* ours = candidate.signature().Input(cache.past);
    const ValueSignature& theirs = *reference.signature().Input(cache.past);
    bool same = ours != nullptr && ours->dims.size() == theirs.dims.size();
    for (std::size_t i = 0; same && i < ours->dims.size(); ++i) {
      same = !ours->dims[i].fixed() || !theirs.dims[i].fixed() ||
             ours->dims[i].size == theirs.dims[i].size;
    }
    if (!same) {
      return Mismatch(absl::StrCat(model, ": cache input '", cache.past, "' is ",
                                   ours == nullptr ? "missing" : SignatureText(*ours),
                                   "; in the reference ", options.reference, " it is ",
                                   SignatureText(theirs)));
    }
  }
  return absl::OkStatus();
}

class LanguageComparison {
 public:
  LanguageComparison(const VerifyOptions& options, Decoder& reference)
      : options_(options), reference_(reference) {}

  absl::Status Add(LoadedCandidate candidate) {
    const std::string& model = candidate.result->model;
    absl::StatusOr<Decoder> decoder = Decoder::Create(std::move(candidate.runner), options_.inputs);
    if (!decoder.ok()) return Mismatch(absl::StrCat(model, ": ", decoder.status().message()));
    ONNXQUANT_RETURN_IF_ERROR(CheckInterface(options_, reference_, *decoder, model));
    running_.push_back({candidate.result, *std::move(decoder), {}});
    return absl::OkStatus();
  }

  bool empty() const { return running_.empty(); }

  absl::Status Read(const std::vector<Sequence>& sequences) {
    std::size_t total = 0;
    for (const Sequence& sequence : sequences) {
      total += (sequence.size() + options_.chunk - 1) / options_.chunk;
    }
    std::size_t done = 0;
    for (const Sequence& whole : sequences) {
      const absl::Span<const std::int64_t> sequence = whole;
      ResetAll();
      for (std::size_t first = 0; first < sequence.size(); first += options_.chunk) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        if (!reference_.cached()) ResetAll();  // each chunk is then a text of its own
        const std::size_t count = std::min(options_.chunk, sequence.size() - first);
        ONNXQUANT_RETURN_IF_ERROR(Step(sequence, first, count));
        if (options_.progress) options_.progress(++done, total);
      }
    }
    for (Running& candidate : running_) {
      if (candidate.result->error.empty()) candidate.result->language = Summarize(candidate.log);
    }
    return absl::OkStatus();
  }

  absl::Status Continue(const Sequence& sequence) {
    if (options_.greedy == 0) return absl::OkStatus();
    const auto prompt = absl::MakeConstSpan(sequence).subspan(0, kPromptTokens);
    const auto write = [&](Decoder& decoder) {
      return WriteGreedily(decoder, prompt, options_.greedy, options_.cancelled);
    };
    ONNXQUANT_ASSIGN_OR_RETURN(const GreedyText expected, write(reference_));
    for (Running& candidate : running_) {
      if (!candidate.result->error.empty()) continue;
      absl::StatusOr<GreedyText> written = write(candidate.decoder);
      if (KindOf(written.status()) == ErrorKind::kCancelled) return written.status();
      if (!written.ok()) {
        candidate.result->error = std::string(written.status().message());
        continue;
      }
      const Sequence& tokens = expected.tokens;
      const auto parted = std::mismatch(tokens.begin(), tokens.end(), written->tokens.begin());
      candidate.result->greedy = {tokens.size(),
                                  static_cast<std::size_t>(parted.first - tokens.begin()),
                                  written->seconds_per_token};
    }
    return absl::OkStatus();
  }

 private:
  struct Running {
    CandidateResult* result = nullptr;
    Decoder decoder;
    PositionLog log;
  };

  void ResetAll() {
    reference_.Reset();
    for (Running& candidate : running_) candidate.decoder.Reset();
  }

  absl::Status Step(absl::Span<const std::int64_t> sequence, std::size_t first, std::size_t count) {
    const absl::Span<const std::int64_t> part = sequence.subspan(first, count);
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Tensor> results,
                               reference_.Step(part, {reference_.text().logits}));
    ONNXQUANT_ASSIGN_OR_RETURN(const LogitRows expected, LastRows(std::move(results[0]), count));
    std::vector<LogitRows> given(running_.size());
    for (std::size_t i = 0; i < running_.size(); ++i) {
      ONNXQUANT_RETURN_IF_ERROR(StepCandidate(running_[i], part, expected, &given[i]));
    }
    std::vector<float> scratch;
    std::vector<float> other_scratch;
    for (std::size_t row = 0; row < expected.rows; ++row) {
      const std::size_t position = first + count - expected.rows + row;
      const absl::Span<const float> logits = expected.Row(row, scratch);
      if (CountNonFinite(logits).any()) {
        return Mismatch(absl::StrCat(options_.reference,
                                     ": the reference itself gives NaN or Inf, first at position ",
                                     position, " of the text; nothing can be measured against it"));
      }
      const ReferencePosition reference(logits);
      std::optional<std::size_t> token;
      if (position + 1 < sequence.size()) {
        token = static_cast<std::size_t>(sequence[position + 1]);
        if (*token >= expected.vocabulary) {
          return UsageError(options_.tokens, ": token ", position + 2, " is ", *token,
                            "; the model's logits have ", expected.vocabulary,
                            " tokens (was the text tokenized for another model?)");
        }
      }
      for (std::size_t i = 0; i < running_.size(); ++i) {
        if (!running_[i].result->error.empty()) continue;
        running_[i].log.Add(reference, given[i].Row(row, other_scratch), token);
      }
    }
    return absl::OkStatus();
  }

  absl::Status StepCandidate(Running& candidate, absl::Span<const std::int64_t> part,
                             const LogitRows& expected, LogitRows* given) {
    if (!candidate.result->error.empty()) return absl::OkStatus();
    absl::StatusOr<std::vector<Tensor>> results =
        candidate.decoder.Step(part, {candidate.decoder.text().logits});
    if (!results.ok()) {
      candidate.result->error = std::string(results.status().message());
      return absl::OkStatus();
    }
    ONNXQUANT_ASSIGN_OR_RETURN(*given, LastRows(std::move((*results)[0]), part.size()));
    const std::string& model = candidate.result->model;
    if (given->vocabulary != expected.vocabulary) {
      return Mismatch(absl::StrCat(model, ": its vocabulary has ", given->vocabulary,
                                   " tokens, that of the reference ", options_.reference, " has ",
                                   expected.vocabulary,
                                   "; models of different tokenizers cannot be compared"));
    }
    if (given->rows != expected.rows) {
      return Mismatch(absl::StrCat(model, ": gives logits for ", given->rows, " of ", part.size(),
                                   " positions, the reference ", options_.reference, " for ",
                                   expected.rows, "; export both alike"));
    }
    return absl::OkStatus();
  }

  const VerifyOptions& options_;
  Decoder& reference_;
  std::vector<Running> running_;
};

}  // namespace

absl::Status CompareLanguage(const VerifyOptions& options, const std::vector<Sequence>& sequences,
                             Decoder& reference, std::vector<LoadedCandidate> candidates) {
  LanguageComparison comparison(options, reference);
  for (LoadedCandidate& candidate : candidates) {
    if (candidate.runner != nullptr)
      ONNXQUANT_RETURN_IF_ERROR(comparison.Add(std::move(candidate)));
  }
  if (comparison.empty()) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(comparison.Read(sequences));
  return comparison.Continue(sequences.front());
}

}  // namespace onnxquant
