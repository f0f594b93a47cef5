#include "lib/verify/verify.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/runtime/any_model.h"
#include "lib/runtime/text_source.h"
#include "lib/verify/alone.h"
#include "lib/verify/candidate.h"

namespace onnxquant {
namespace {

// A threshold that nothing is held to would pass whatever is there.
absl::Status CheckThresholds(const VerifyOptions& options, bool language) {
  const Thresholds& thresholds = options.thresholds;
  if (language && thresholds.max_error) {
    return UsageError(options.reference,
                      ": --max-error is for models without logits; hold this one ",
                      "to --max-kl or --min-top1");
  }
  if (!language && (thresholds.max_kl || thresholds.min_top1)) {
    return UsageError(options.reference,
                      ": --max-kl and --min-top1 are for models that read --tokens ",
                      "and give logits; hold this one to --max-error");
  }
  return absl::OkStatus();
}

// What is wrong with a result.
void Judge(const Thresholds& thresholds, CandidateResult& result) {
  if (!result.error.empty()) {
    result.failures.push_back("it does not run");
    return;
  }
  if (result.has_nonfinite()) result.failures.push_back("NaN or Inf");
  if (result.language.has_value()) {
    // Written so that NaN fails.
    const Summary& summary = *result.language;
    if (thresholds.max_kl && !(summary.kl_mean <= *thresholds.max_kl)) {
      result.failures.push_back(
          absl::StrFormat("mean KL %.3g is above %.3g", summary.kl_mean, *thresholds.max_kl));
    }
    if (thresholds.min_top1 && !(summary.top1 >= *thresholds.min_top1)) {
      result.failures.push_back(absl::StrFormat("top-1 agreement %.4f is below %.4f", summary.top1,
                                                *thresholds.min_top1));
    }
  }
  for (const OutputComparison& output : result.outputs) {
    if (thresholds.max_error && !(output.max_error <= *thresholds.max_error)) {
      result.failures.push_back(absl::StrFormat("error %.3g of output '%s' is above %.3g",
                                                output.max_error, output.name,
                                                *thresholds.max_error));
    }
  }
}

// Loads as many candidates as fit, compares them, frees them, and so on.
class Comparison {
 public:
  Comparison(const VerifyOptions& options, Verification& verification)
      : options_(options), verification_(verification) {}

  absl::Status Run() {
    ONNXQUANT_ASSIGN_OR_RETURN(
        std::unique_ptr<Runner> runner,
        LoadOn("cpu", options_.reference, options_.factory, options_.runner));
    ONNXQUANT_ASSIGN_OR_RETURN(AnyModel reference,
                               AnyModel::Create(std::move(runner), options_.inputs));
    const Decoder* decoder = reference.decoder();
    const bool language =
        options_.inputs.files.empty() && decoder != nullptr && !decoder->text().logits.empty();
    ONNXQUANT_RETURN_IF_ERROR(CheckThresholds(options_, language));
    ONNXQUANT_RETURN_IF_ERROR(ChooseSamples(reference, language));
    std::vector<CandidateResult>& results = verification_.results;
    std::size_t first = 0;
    while (first < results.size()) {
      const std::size_t end = BatchEnd(results, first, options_.memory);
      std::vector<LoadedCandidate> batch;
      for (; first < end; ++first) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        ONNXQUANT_ASSIGN_OR_RETURN(LoadedCandidate loaded,
                                   LoadCandidate(options_, &results[first]));
        batch.push_back(std::move(loaded));
      }
      ONNXQUANT_RETURN_IF_ERROR(
          language ? CompareLanguage(options_, sequences_, *reference.decoder(), std::move(batch))
                   : CompareTensors(options_, samples_, reference, std::move(batch)));
    }
    return absl::OkStatus();
  }

  // When the compared models are gone: says where the faults of each begin.
  absl::Status TraceFaults() {
    for (CandidateResult& result : verification_.results) {
      if (!options_.trace || !result.has_nonfinite()) continue;
      RunnerOptions runner = options_.runner;
      runner.provider = result.provider;
      ONNXQUANT_ASSIGN_OR_RETURN(
          result.first_bad, WhereBadBegins({result.model, options_.factory, runner, options_.inputs,
                                            samples_, options_.cancelled}));
    }
    return absl::OkStatus();
  }

  // Likewise: how far the inner values of each are from the reference's.
  absl::Status CompareInside() {
    if (!options_.layers) return absl::OkStatus();
    for (CandidateResult& result : verification_.results) {
      if (!result.error.empty()) continue;
      ValueErrorOptions inside;
      inside.reference = options_.reference;
      inside.candidate = result.model;
      inside.reference_runner = {options_.factory, options_.runner, options_.inputs};
      inside.reference_runner.options.provider = "cpu";
      inside.candidate_runner = {options_.factory, options_.runner, options_.inputs};
      inside.candidate_runner.options.provider = result.provider;
      // Of padding, each model makes what it likes.
      inside.samples = WithoutPadded(samples_);
      inside.chunk = options_.chunk;
      inside.cancelled = options_.cancelled;
      absl::StatusOr<std::vector<ValueError>> values = CompareValues(inside);
      if (KindOf(values.status()) == ErrorKind::kCancelled) return values.status();
      if (values.ok()) {
        result.values = *std::move(values);
      } else {
        result.values_error = std::string(values.status().message());
      }
    }
    return absl::OkStatus();
  }

 private:
  // Of a language model its text; of others arrays, texts, or what is made up.
  absl::Status ChooseSamples(AnyModel& reference, bool language) {
    Decoder* decoder = reference.decoder();
    if (!options_.inputs.files.empty()) {
      ONNXQUANT_ASSIGN_OR_RETURN(
          GivenSamples given,
          ReadSamples(options_.reference, reference.signature(), options_.inputs, options_.tokens));
      samples_ = std::move(given.samples);
      if (!given.note.empty()) verification_.notes.push_back(std::move(given.note));
      verification_.runs = samples_.size();
      return absl::OkStatus();
    }
    if (decoder != nullptr) ONNXQUANT_RETURN_IF_ERROR(ReadText(*decoder, language));
    if (language) return absl::OkStatus();
    AddPaddedSamples(reference.signature(), options_.inputs, samples_);
    ONNXQUANT_RETURN_IF_ERROR(DropPaddedThatFail(reference));
    verification_.runs = samples_.size();
    return absl::OkStatus();
  }

  absl::Status ReadText(Decoder& decoder, bool language) {
    if (!language && options_.tokens.empty()) {
      // An encoder does not need a text to be compared, only to be compared well.
      sequences_ = {BuiltInPrompt(StartToken(options_.reference).value_or(-1), -1)};
      verification_.notes.push_back(absl::StrCat(
          options_.reference, ": reads tokens, and was compared on a few made-up ones; ",
          "give real ones with --tokens or --inputs"));
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(sequences_,
                                 GetTokens({options_.reference, options_.tokens, options_.count,
                                            options_.inputs.seed, options_.cancelled},
                                           decoder));
    }
    verification_.tokens = CountTokens(sequences_);
    samples_ = SamplesOf(sequences_);
    return absl::OkStatus();
  }

  // Not every model that leaves its batch open runs on two rows.
  absl::Status DropPaddedThatFail(AnyModel& reference) {
    std::vector<Sample> kept;
    for (Sample& sample : samples_) {
      if (sample.padding != Padding::kNone) {
        absl::Status status = reference.Run(sample, FloatOutputs(reference.signature())).status();
        if (!status.ok() && KindOf(status) != ErrorKind::kVerify) return status;
        if (!status.ok()) {
          verification_.notes.push_back(PaddedFails(options_.reference, status));
          continue;
        }
      }
      kept.push_back(std::move(sample));
    }
    samples_ = std::move(kept);
    return absl::OkStatus();
  }

  const VerifyOptions& options_;
  Verification& verification_;
  TokenSequences sequences_;
  std::vector<Sample> samples_ = std::vector<Sample>(1);  // one of nothing, where all is made up
};

}  // namespace

bool CandidateResult::has_nonfinite() const {
  if (language.has_value() && language->bad > 0) return true;
  return std::any_of(outputs.begin(), outputs.end(),
                     [](const OutputComparison& output) { return output.nan + output.inf > 0; });
}

bool Verification::passed() const {
  return std::all_of(results.begin(), results.end(),
                     [](const CandidateResult& result) { return result.passed(); });
}

absl::StatusOr<Verification> Verify(const VerifyOptions& options) {
  if (options.candidates.empty() || options.providers.empty()) {
    return UsageError(options.reference, ": there are no ",
                      options.candidates.empty() ? "candidates" : "providers",
                      ", and so nothing to compare");
  }
  Verification verification;
  verification.reference = options.reference;
  for (const std::string& candidate : options.candidates) {
    for (const std::string& provider : options.providers) {
      CandidateResult result;
      result.model = candidate;
      result.provider = provider;
      verification.results.push_back(std::move(result));
    }
  }
  Comparison comparison(options, verification);
  ONNXQUANT_RETURN_IF_ERROR(comparison.Run());
  ONNXQUANT_RETURN_IF_ERROR(comparison.TraceFaults());
  ONNXQUANT_RETURN_IF_ERROR(comparison.CompareInside());
  for (CandidateResult& result : verification.results) {
    Judge(options.thresholds, result);
    if (result.language.has_value()) {
      verification.reference_perplexity = result.language->reference_perplexity;
    }
  }
  return verification;
}

}  // namespace onnxquant
