#include "lib/verify/alone.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/any_model.h"
#include "lib/runtime/self_text.h"
#include "lib/runtime/text_source.h"
#include "lib/trace/first_bad.h"
#include "lib/verify/candidate.h"

namespace onnxquant {
namespace {

constexpr std::size_t kChunk = 64;  // positions whose logits are held at once
constexpr std::size_t kPromptTokens = 16;
constexpr std::size_t kLeastRepeats = 8;
constexpr std::int64_t kGemmaStart = 2;
constexpr std::int64_t kSafeVocabulary = 256;

class LoneRun {
 public:
  LoneRun(const AloneOptions& options, AloneResult& result) : options_(options), result_(result) {}

  absl::Status Run() {
    ONNXQUANT_RETURN_IF_ERROR(Put(Measure()));
    if (result_.nan + result_.inf == 0 || !options_.trace) return absl::OkStatus();
    // The model that was measured is gone by now.
    RunnerOptions runner = options_.runner;
    runner.provider = result_.provider;
    ONNXQUANT_ASSIGN_OR_RETURN(result_.first_bad,
                               WhereBadBegins({options_.model, options_.factory, runner,
                                               options_.inputs, samples_, options_.cancelled}));
    return absl::OkStatus();
  }

 private:
  // That the model cannot be run is said in the result; what is wrong with the question remains an
  // error.
  absl::Status Put(const absl::Status& status) {
    if (status.ok() || KindOf(status) != ErrorKind::kVerify) return status;
    result_.error = std::string(status.message());
    return absl::OkStatus();
  }

  absl::Status Measure() {
    ONNXQUANT_ASSIGN_OR_RETURN(
        std::unique_ptr<Runner> runner,
        LoadOn(result_.provider, options_.model, options_.factory, options_.runner));
    ONNXQUANT_ASSIGN_OR_RETURN(AnyModel model,
                               AnyModel::Create(std::move(runner), options_.inputs));
    Decoder* decoder = model.decoder();
    if (!options_.inputs.files.empty()) {
      ONNXQUANT_ASSIGN_OR_RETURN(GivenSamples given, ReadSamples(options_.model, model.signature(),
                                                                 options_.inputs, options_.tokens));
      samples_ = std::move(given.samples);
      return RunWhole(model);
    }
    if (decoder != nullptr) ONNXQUANT_RETURN_IF_ERROR(FindTokens(*decoder));
    if (decoder == nullptr || decoder->text().logits.empty()) {
      AddPaddedSamples(model.signature(), options_.inputs, samples_);
      return RunWhole(model);
    }
    for (const std::vector<std::int64_t>& sequence : sequences_) {
      ONNXQUANT_RETURN_IF_ERROR(Read(*decoder, sequence));
    }
    return Continue(*decoder);
  }

  absl::Status FindTokens(Decoder& decoder) {
    if (options_.tokens.empty()) {
      sequences_ = {
          BuiltInPrompt(StartToken(options_.model).value_or(-1), decoder.text().vocabulary)};
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(sequences_,
                                 GetTokens({options_.model, options_.tokens, options_.count,
                                            options_.inputs.seed, options_.cancelled},
                                           decoder));
    }
    samples_ = SamplesOf(sequences_);
    return absl::OkStatus();
  }

  void Look(const Tensor& tensor) {
    if (!tensor.is_float()) return;
    BadCounts counts;
    VisitFloats(tensor, [&](absl::Span<const float> floats) { counts.Add(floats); });
    result_.nan += counts.nan;
    result_.inf += counts.inf;
  }

  // What stands where a mask says padding is read by nobody.
  void LookWhere(const std::vector<bool>& kept, const Tensor& tensor) {
    if (kept.empty() || !tensor.is_float()) return Look(tensor);
    const std::size_t each = tensor.elements() / kept.size();
    std::vector<float> scratch;
    BadCounts counts;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (kept[i]) counts.Add(tensor.Floats(i * each, each, scratch));
    }
    result_.nan += counts.nan;
    result_.inf += counts.inf;
  }

  absl::Status RunWhole(AnyModel& model) {
    std::vector<std::string> outputs = FloatOutputs(model.signature());
    if (outputs.empty()) {  // that it runs is all that can be seen
      for (const ValueSignature& output : model.signature().outputs) outputs.push_back(output.name);
    }
    std::vector<Sample> ran;
    for (Sample& sample : samples_) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
      const absl::StatusOr<std::vector<Tensor>> results = model.Run(sample, outputs);
      // Not every model that leaves its batch open runs on two rows.
      const bool padded = sample.padding != Padding::kNone;
      if (padded && KindOf(results.status()) == ErrorKind::kVerify) continue;
      if (!results.ok()) return results.status();
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> inputs, model.InputsOf(sample));
      for (const Tensor& tensor : *results) {
        LookWhere(KeptPositions(FindMask(inputs), tensor.dims()), tensor);
      }
      ran.push_back(std::move(sample));
    }
    samples_ = std::move(ran);
    return absl::OkStatus();
  }

  absl::Status Read(Decoder& decoder, absl::Span<const std::int64_t> sequence) {
    decoder.Reset();
    for (std::size_t at = 0; at < sequence.size(); at += kChunk) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
      if (!decoder.cached()) decoder.Reset();  // each chunk is then a text of its own
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::vector<Tensor> results,
          decoder.Step(sequence.subspan(at, kChunk), {decoder.text().logits}));
      Look(results[0]);
    }
    return absl::OkStatus();
  }

  absl::Status Continue(Decoder& decoder) {
    if (options_.greedy == 0) return absl::OkStatus();
    const auto prompt = absl::MakeConstSpan(sequences_.front()).subspan(0, kPromptTokens);
    ONNXQUANT_ASSIGN_OR_RETURN(GreedyText written,
                               WriteGreedily(decoder, prompt, options_.greedy, options_.cancelled));
    result_.text = std::move(written.tokens);
    return absl::OkStatus();
  }

  const AloneOptions& options_;
  AloneResult& result_;
  TokenSequences sequences_;
  std::vector<Sample> samples_ = std::vector<Sample>(1);  // one of nothing, where all is made up
};

void Judge(AloneResult& result) {
  std::size_t repeats = 0;  // of the last token
  const std::vector<std::int64_t>& text = result.text;
  // Which token is the likeliest among NaN is each program's own choice.
  const std::size_t told = result.nan == 0 ? text.size() : 0;
  while (repeats < told && text[text.size() - 1 - repeats] == text.back()) ++repeats;
  result.repeats_one_token = repeats >= kLeastRepeats;
  if (result.repeats_one_token) result.token = text.back();

  if (!result.error.empty()) result.failures.push_back("it does not run");
  if (result.nan + result.inf > 0) result.failures.push_back("NaN or Inf");
  if (result.repeats_one_token && repeats == text.size()) {
    result.failures.push_back(absl::StrCat("it writes nothing but token ", result.token));
  }
}

}  // namespace

std::vector<std::int64_t> BuiltInPrompt(std::int64_t start, std::int64_t vocabulary) {
  std::vector<std::int64_t> prompt = {start < 0 ? kGemmaStart : start, 818, 5279, 529, 7001, 563};
  const std::int64_t size = vocabulary > 0 ? vocabulary : kSafeVocabulary;
  for (std::int64_t& id : prompt) id %= size;
  return prompt;
}

absl::StatusOr<std::vector<AloneResult>> RunAlone(const AloneOptions& options) {
  if (options.providers.empty()) {
    return UsageError(options.model, ": there are no providers to run it on; the CPU's is 'cpu'");
  }
  std::vector<AloneResult> results;
  for (const std::string& provider : options.providers) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options.cancelled));
    AloneResult& result = results.emplace_back();
    result.provider = provider;
    ONNXQUANT_RETURN_IF_ERROR(LoneRun(options, result).Run());
    Judge(result);
    if (options.progress) options.progress(results.size(), options.providers.size());
  }
  return results;
}

}  // namespace onnxquant
