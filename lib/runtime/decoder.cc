#include "lib/runtime/decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/text_inputs.h"

namespace onnxquant {
namespace {

absl::Status Fails(const std::string& message) {
  return MakeError(ErrorKind::kVerify, message);
}

// The output that becomes the input of the next step.
const ValueSignature* PresentOf(const Signature& signature, const std::string& past) {
  const std::string rest = past.substr(sizeof(kPastPrefix) - 1);
  for (const char* prefix : {"present", "present_key_values"}) {
    if (const auto* found = signature.Output(prefix + rest)) return found;
  }
  return nullptr;
}

// `tokens` put behind `history`, both sequence by sequence.
std::vector<std::int64_t> Appended(absl::Span<const std::int64_t> history,
                                   absl::Span<const std::int64_t> tokens, std::size_t sequences) {
  const std::size_t before = history.size() / sequences;
  const std::size_t count = tokens.size() / sequences;
  std::vector<std::int64_t> joined;
  joined.reserve(history.size() + tokens.size());
  for (std::size_t i = 0; i < sequences; ++i) {
    const auto old = history.subspan(i * before, before);
    const auto added = tokens.subspan(i * count, count);
    joined.insert(joined.end(), old.begin(), old.end());
    joined.insert(joined.end(), added.begin(), added.end());
  }
  return joined;
}

}  // namespace

absl::StatusOr<std::optional<TextInterface>> FindTextInterface(const Signature& signature) {
  TextInterface text;
  for (const char* name : {"decoder_input_ids", "input_ids"}) {
    if (text.ids.empty() && signature.Input(name) != nullptr) text.ids = name;
  }
  if (text.ids.empty()) return std::optional<TextInterface>();
  for (const ValueSignature& input : signature.inputs) {
    if (!absl::StartsWith(input.name, kPastPrefix)) continue;
    const ValueSignature* present = PresentOf(signature, input.name);
    if (present == nullptr) {
      // Of what the encoder said: stays as it is, step by step.
      if (absl::StrContains(input.name, ".encoder.")) continue;
      return Fails(absl::StrCat("cache input '", input.name, "' has no output 'present",
                                input.name.substr(sizeof(kPastPrefix) - 1), "'; the outputs are ",
                                NamesText(signature.outputs)));
    }
    text.caches.push_back({input.name, present->name});
  }
  const ValueSignature* logits = signature.Output("logits");
  if (logits != nullptr && logits->dims.size() == 3 && IsFloat(logits->type)) {
    text.logits = logits->name;
    text.vocabulary = logits->dims[2].size;
  }
  return std::optional<TextInterface>(std::move(text));
}

Decoder::Decoder(std::unique_ptr<Runner> runner, TextInterface text, InputOptions options)
    : runner_(std::move(runner)), text_(std::move(text)), options_(std::move(options)) {}

absl::StatusOr<Decoder> Decoder::Create(std::unique_ptr<Runner> runner,
                                        const InputOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(std::optional<TextInterface> text,
                             FindTextInterface(runner->signature()));
  if (!text.has_value()) {
    return Fails(
        absl::StrCat("the model takes no token ids (input_ids or decoder_input_ids); its "
                     "inputs are ",
                     NamesText(runner->signature().inputs)));
  }
  Decoder decoder(std::move(runner), *std::move(text), options);
  for (const TextInterface::Cache& cache : decoder.text_.caches) {
    ONNXQUANT_RETURN_IF_ERROR(EmptyCache(*decoder.signature().Input(cache.past), 1).status());
  }
  decoder.Reset();
  return decoder;
}

bool Decoder::TakesBatches() const {
  for (const ValueSignature& input : signature().inputs) {
    const bool cache = past_.contains(input.name);
    if (cache || input.name == text_.ids || IsTextMask(input.name) ||
        input.name == "position_ids" || input.name == "token_type_ids") {
      if (input.dims.empty() || input.dims[0].fixed()) return false;
    } else if (input.name != "use_cache_branch" && input.name != "num_logits_to_keep" &&
               input.name != "logits_to_keep") {
      return false;
    }
  }
  return true;
}

std::uint64_t Decoder::CacheBytesPerPosition() const {
  std::uint64_t bytes = 0;
  for (const TextInterface::Cache& cache : text_.caches) {
    const ValueSignature& input = *signature().Input(cache.past);
    std::vector<std::int64_t> dims;
    for (const Dimension& dim : input.dims) dims.push_back(dim.fixed() ? dim.size : 1);
    bytes += PackedBytes(input.type, dims).value_or(0);
  }
  return bytes;
}

void Decoder::Reset(std::int64_t sequences) {
  length_ = 0;
  sequences_ = sequences;
  history_.clear();
  past_.clear();
  for (const TextInterface::Cache& cache : text_.caches) {
    // Create() has seen that it can be made.
    past_[cache.past] = *EmptyCache(*signature().Input(cache.past), sequences);
  }
}

absl::StatusOr<Tensor> Decoder::MakeStepInput(const ValueSignature& input,
                                              absl::Span<const std::int64_t> tokens) {
  const std::string& name = input.name;
  const std::int64_t count = static_cast<std::int64_t>(tokens.size()) / sequences_;
  const auto cache = past_.find(name);
  if (cache != past_.end()) return cache->second;
  if (name == text_.ids) return Tensor::OfIntegers(input.type, {sequences_, count}, tokens);
  if (auto made = MakeTextInput(input, {sequences_, count, length_})) return *std::move(made);
  auto made = others_.find(name);
  if (made == others_.end()) {
    ONNXQUANT_ASSIGN_OR_RETURN(Tensor tensor, MakeInput(input, options_));
    made = others_.emplace(name, std::move(tensor)).first;
  }
  return made->second;
}

absl::Status Decoder::KeepCaches(std::vector<Tensor>& results, std::size_t first) {
  for (std::size_t i = 0; i < text_.caches.size(); ++i) {
    Tensor& present = results[first + i];
    Tensor& past = past_[text_.caches[i].past];
    // A merged decoder gives its encoder's keys in the first step only, and nothing later.
    if (present.elements() == 0 && past.elements() != 0) continue;
    past = std::move(present);
  }
  results.resize(first);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Tensor>> Decoder::Step(absl::Span<const std::int64_t> tokens,
                                                  absl::Span<const std::string> outputs) {
  absl::Span<const std::int64_t> given = tokens;
  if (!cached()) {
    history_ = Appended(history_, tokens, static_cast<std::size_t>(sequences_));
    given = history_;
    length_ = 0;
  }
  std::vector<NamedTensor> inputs;
  for (const ValueSignature& input : signature().inputs) {
    ONNXQUANT_ASSIGN_OR_RETURN(Tensor tensor, MakeStepInput(input, given));
    if (tensor.type() == ElementType::kUndefined) {
      return Fails(absl::StrCat("input '", input.name, "' is ", SignatureText(input),
                                ", which tokens, masks and positions cannot be given as"));
    }
    inputs.push_back({input.name, std::move(tensor)});
  }
  std::vector<std::string> wanted(outputs.begin(), outputs.end());
  for (const TextInterface::Cache& cache : text_.caches) wanted.push_back(cache.present);
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Tensor> results, runner_->Run(inputs, wanted));
  ONNXQUANT_RETURN_IF_ERROR(KeepCaches(results, outputs.size()));
  length_ += static_cast<std::int64_t>(given.size()) / sequences_;
  return results;
}

absl::StatusOr<LogitRows> LastRows(Tensor logits, std::size_t count) {
  const std::vector<std::int64_t>& dims = logits.dims();
  if (dims.size() != 3 || dims[0] != 1 || dims[1] < 1 || dims[2] < 1 || !logits.is_float()) {
    return Fails(absl::StrCat("the logits are ", NameOf(logits.type()), DimsText(dims),
                              "; expected floats [1, positions, vocabulary]"));
  }
  LogitRows rows;
  const auto given = static_cast<std::size_t>(dims[1]);
  rows.rows = std::min(given, count);
  rows.first = given - rows.rows;
  rows.vocabulary = static_cast<std::size_t>(dims[2]);
  rows.tensor = std::move(logits);
  return rows;
}

}  // namespace onnxquant
