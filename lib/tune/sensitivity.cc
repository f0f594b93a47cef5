#include "lib/tune/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/model/external_data.h"
#include "lib/model/serialize.h"
#include "lib/runtime/batch_text.h"
#include "lib/runtime/text_source.h"
#include "lib/verify/logit_stats.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

// From IR 4 on an initializer that is also an input is a default, which a run may replace.
constexpr std::int64_t kDefaultsIrVersion = 4;

// The model with the weights as inputs that need not be given.
absl::StatusOr<ModelSource> WithDefaults(const std::string& path,
                                         absl::Span<const std::string> weights) {
  ONNXQUANT_ASSIGN_OR_RETURN(onnx::ModelProto model, ReadWholeModel(path));
  const std::string folder = ResolveLocations(path, model);
  if (model.ir_version() < kDefaultsIrVersion) model.set_ir_version(kDefaultsIrVersion);
  absl::flat_hash_set<std::string> wanted(weights.begin(), weights.end());
  onnx::GraphProto& graph = *model.mutable_graph();
  for (const auto& input : graph.input()) wanted.erase(input.name());
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (!wanted.contains(tensor.name())) continue;
    onnx::ValueInfoProto& input = *graph.add_input();
    input.set_name(tensor.name());
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (const std::int64_t dim : tensor.dims())
      type.mutable_shape()->add_dim()->set_dim_value(dim);
  }
  std::string bytes;
  ONNXQUANT_RETURN_IF_ERROR(SerializeModel(model, &bytes));
  return ModelSource{path, std::make_shared<const std::string>(std::move(bytes)), folder};
}

// Gives a tensor beside the inputs that the model asks for.
class ReplacingRunner : public Runner {
 public:
  ReplacingRunner(std::unique_ptr<Runner> runner,
                  std::shared_ptr<const std::vector<NamedTensor>> more)
      : runner_(std::move(runner)), more_(std::move(more)) {}
  const Signature& signature() const override { return runner_->signature(); }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    std::vector<NamedTensor> all(inputs.begin(), inputs.end());
    all.insert(all.end(), more_->begin(), more_->end());
    return runner_->Run(all, outputs);
  }

 private:
  std::unique_ptr<Runner> runner_;
  std::shared_ptr<const std::vector<NamedTensor>> more_;
};

// Short texts, each from its own beginning: one long text of a small model may be of anything.
constexpr std::size_t kOwnTexts = 4;

absl::StatusOr<TokenSequences> OwnTexts(const SensitivityOptions& options, Decoder& decoder) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::int64_t start, FirstOwnToken(options.model, decoder));
  ONNXQUANT_RETURN_IF_ERROR(CheckTokens({{start}}, decoder.text().vocabulary, options.model));
  const std::size_t batch = decoder.TakesBatches() ? kOwnTexts : 1;
  TokenSequences texts;
  for (std::size_t first = 0; first < kOwnTexts; first += batch) {
    BatchText text;
    text.start = start;
    text.first = first;
    text.sequences = batch;
    text.length = std::max<std::size_t>(2, options.count / kOwnTexts);
    if (options.longest > 0) text.length = std::min(text.length, options.longest);
    text.seed = options.inputs.seed;
    text.cancelled = options.cancelled;
    ONNXQUANT_ASSIGN_OR_RETURN(TokenSequences written, WriteBatch(decoder, text, {}));
    for (auto& sequence : written) texts.push_back(std::move(sequence));
  }
  return texts;
}

std::string TextKey(const TokenSequences& sequences) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const auto add = [&hash](std::uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      hash = (hash ^ ((number >> (8 * i)) & 0xff)) * 0x100000001b3;
    }
  };
  for (const auto& sequence : sequences) {
    add(sequence.size());
    for (const std::int64_t token : sequence) add(static_cast<std::uint64_t>(token));
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace

struct Sensitivity::State {
  SensitivityOptions options;
  std::shared_ptr<std::vector<NamedTensor>> replaced = std::make_shared<std::vector<NamedTensor>>();
  std::optional<Decoder> decoder;
  TokenSequences sequences;
  std::string text;
  std::size_t positions = 0;
  std::vector<LogitRows> own;  // by sequence

  absl::StatusOr<LogitRows> Read(const std::vector<std::int64_t>& sequence) {
    decoder->Reset();
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Tensor> results,
                               decoder->Step(sequence, {decoder->text().logits}));
    return LastRows(std::move(results[0]), sequence.size());
  }
};

Sensitivity::Sensitivity(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sensitivity::Sensitivity(Sensitivity&&) noexcept = default;
Sensitivity::~Sensitivity() = default;

const std::string& Sensitivity::text() const {
  return state_->text;
}

std::size_t Sensitivity::positions() const {
  return state_->positions;
}

absl::StatusOr<Sensitivity> Sensitivity::Create(const SensitivityOptions& options,
                                                absl::Span<const std::string> weights) {
  auto state = std::make_unique<State>();
  state->options = options;
  ONNXQUANT_ASSIGN_OR_RETURN(const ModelSource source, WithDefaults(options.model, weights));
  ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner,
                             options.factory(source, options.runner));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<TextInterface> text,
                             FindTextInterface(runner->signature()));
  if (!text.has_value() || text->logits.empty()) {
    return UsageError(options.model, ": is no language model (it takes no tokens, or gives no ",
                      "output 'logits'): there is nothing to measure what a weight costs by");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(
      Decoder decoder,
      Decoder::Create(std::make_unique<ReplacingRunner>(std::move(runner), state->replaced),
                      options.inputs));
  state->decoder.emplace(std::move(decoder));
  if (options.tokens == kSelf) {
    ONNXQUANT_ASSIGN_OR_RETURN(state->sequences, OwnTexts(options, *state->decoder));
  } else {
    ONNXQUANT_ASSIGN_OR_RETURN(state->sequences,
                               GetTokens({options.model, options.tokens, options.count,
                                          options.inputs.seed, options.cancelled},
                                         *state->decoder));
  }
  state->text = TextKey(state->sequences);
  for (const auto& sequence : state->sequences) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options.cancelled));
    ONNXQUANT_ASSIGN_OR_RETURN(LogitRows rows, state->Read(sequence));
    state->positions += rows.rows;
    state->own.push_back(std::move(rows));
  }
  return Sensitivity(std::move(state));
}

absl::StatusOr<double> Sensitivity::KlWith(const NamedTensor& weight) {
  State& state = *state_;
  *state.replaced = {weight};
  std::vector<double> divergences;
  for (std::size_t i = 0; i < state.sequences.size(); ++i) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(state.options.cancelled));
    absl::StatusOr<LogitRows> given = state.Read(state.sequences[i]);
    if (!given.ok()) {
      state.replaced->clear();
      return given.status();
    }
    const LogitRows& own = state.own[i];
    std::vector<double> of_rows(own.rows);
    ONNXQUANT_RETURN_IF_ERROR(RunTiles(own.rows, 0, nullptr, [&](std::size_t row) {
      std::vector<float> scratch;
      std::vector<float> other_scratch;
      const ReferencePosition reference(own.Row(row, scratch));
      of_rows[row] = ComparePosition(reference, given->Row(row, other_scratch), std::nullopt).kl;
      return absl::OkStatus();
    }));
    divergences.insert(divergences.end(), of_rows.begin(), of_rows.end());
  }
  state.replaced->clear();
  double sum = 0;
  for (const double divergence : divergences) sum += divergence;
  const double mean = sum / static_cast<double>(std::max<std::size_t>(divergences.size(), 1));
  if (!std::isfinite(mean)) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat(state.options.model, ": gives NaN or Inf where '", weight.name,
                                  "' is stored in fewer bits; keep it with a rule"));
  }
  return std::max(0.0, mean);
}

}  // namespace onnxquant
