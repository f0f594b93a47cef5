#include "lib/calibrate/calibrate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/analysis/rope_caches.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"
#include "lib/calibrate/gradient_stage.h"
#include "lib/calibrate/moment_sums.h"
#include "lib/calibrate/observed_model.h"
#include "lib/calibrate/sum_inputs.h"
#include "lib/files/mapped_file.h"
#include "lib/files/own_names.h"
#include "lib/model/model.h"
#include "lib/runtime/any_model.h"
#include "lib/runtime/batch_text.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/samples.h"
#include "lib/runtime/text_source.h"
#include "lib/runtime/tokens.h"
#include "lib/statistics/fingerprint.h"

namespace onnxquant {
namespace {

struct Sums {
  const std::string& value;
  std::int64_t size = 0;
  std::uint64_t bytes = 0;  // with rows
};

// Values whose sums and rows fit into memory at once, in the order of values.
absl::StatusOr<std::vector<std::vector<std::size_t>>> SplitIntoPasses(
    const CalibrationOptions& options, absl::Span<const Sums> values) {
  std::vector<std::vector<std::size_t>> passes;
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t bytes = values[i].bytes;
    if (bytes > options.memory) {
      return UsageError(options.model, ": the sums of the value '", values[i].value, "' of ",
                        values[i].size, " elements take ", bytes, " bytes; --memory allows ",
                        options.memory, ": give it at least as much");
    }
    if (passes.empty() || taken + bytes > options.memory) {
      passes.emplace_back();
      taken = 0;
    }
    passes.back().push_back(i);
    taken += bytes;
  }
  return passes;
}

// The rows of the shortest table.
std::size_t PositionsOf(const Graph& graph, const ValueTypes& types) {
  std::size_t positions = 0;
  for (const RopeCache& cache : FindRopeCaches(graph, FindWeightUses(graph, types)).caches) {
    const auto shape = ConstantShape(graph, cache.cosines);
    if (!shape || shape->empty() || shape->front() <= 0) continue;
    const auto rows = static_cast<std::size_t>(shape->front());
    positions = positions == 0 ? rows : std::min(positions, rows);
  }
  return positions;
}

class Calibrator {
 public:
  Calibrator(const CalibrationOptions& options, const CalibrationPlan& plan, ObservedModel model)
      : options_(options), plan_(plan), model_(std::move(model)) {
    if (plan_.positions > 0) options_.length = std::min(options_.length, plan_.positions);
  }

  absl::StatusOr<Calibration> Run() {
    std::size_t pass = 0;
    if (options_.resume != nullptr) {
      pass = options_.resume->place().pass;
      sequences_ = options_.resume->place().written;
      result_.statistics.moments = options_.resume->Done();
    }
    for (; pass < plan_.passes.size(); ++pass) {
      ONNXQUANT_RETURN_IF_ERROR(RunPass(pass));
    }
    ONNXQUANT_RETURN_IF_ERROR(RunBackwards());
    auto& metadata = result_.statistics.metadata;
    metadata["fingerprint"] = plan_.fingerprint;
    metadata["tool"] = options_.tool;
    metadata["text"] = !samples_.empty() ? "inputs"
                       : made_up_        ? "made up"
                       : own_text_       ? kSelf
                                         : "tokens";
    if (made_up_ || own_text_) metadata["seed"] = absl::StrCat(options_.inputs.seed);
    metadata["sequences"] = absl::StrCat(RunsOrTexts());
    metadata["tokens"] = absl::StrCat(CountTokens(sequences_));
    Warn();
    return std::move(result_);
  }

 private:
  // The model with the values of a pass.
  struct Loaded {
    std::unique_ptr<Runner> runner;
    std::vector<std::string> outputs;
    MomentSums sums;
  };

  absl::StatusOr<Loaded> Load(std::size_t pass, bool logits) const {
    std::vector<ObservedModel::Observed> values;
    std::vector<MomentSums::Shape> shapes;
    for (const std::size_t i : plan_.passes[pass]) {
      const int layer = plan_.layers[i];
      values.push_back({plan_.values[i].value, plan_.along[i]});
      shapes.push_back({values.back().value, plan_.values[i].size,
                        layer < 0 ? std::string() : absl::StrCat("layer ", layer)});
    }
    ONNXQUANT_ASSIGN_OR_RETURN(ObservedModel::View view, model_.WithOutputs(values, logits));
    ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner,
                               options_.factory(view.source, options_.runner));
    return Loaded{std::move(runner), std::move(view.outputs), MomentSums(std::move(shapes))};
  }

  absl::Status RunPass(std::size_t pass) {
    pass_ = pass;
    const bool first = pass == 0;
    const bool given = !options_.inputs.files.empty();
    // Only the model's own text needs logits, and only once.
    ONNXQUANT_ASSIGN_OR_RETURN(Loaded loaded,
                               Load(pass, first && !given && options_.tokens == kSelf));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<TextInterface> text,
                               FindTextInterface(loaded.runner->signature()));
    begin_ = 0;
    if (options_.resume != nullptr && options_.resume->place().pass == pass) {
      ONNXQUANT_RETURN_IF_ERROR(options_.resume->Restore(loaded.sums));
      begin_ = options_.resume->place().texts;
    }
    if (given) {
      ONNXQUANT_RETURN_IF_ERROR(RunOnInputs(loaded));
    } else if (!text.has_value()) {
      ONNXQUANT_RETURN_IF_ERROR(RefuseTokens());
      made_up_ = true;
      ONNXQUANT_RETURN_IF_ERROR(RunOnMadeUpInputs(loaded));
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder,
                                 Decoder::Create(std::move(loaded.runner), options_.inputs));
      ONNXQUANT_RETURN_IF_ERROR(RunOnText(decoder, loaded));
    }
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Moments> moments, std::move(loaded.sums).Finish());
    for (Moments& one : moments) result_.statistics.moments.push_back(std::move(one));
    return absl::OkStatus();
  }

  // Made-up inputs in the place of a file that was named would be found out by nobody.
  absl::Status RefuseTokens() const {
    if (options_.tokens == kSelf) return absl::OkStatus();
    return UsageError(options_.tokens, ": is given as tokens, and ", options_.model,
                      " takes none; give arrays of its inputs ('onnxquant calibrate --inputs'), or "
                      "no file, for made-up ones");
  }

  absl::Status RunBackwards() {
    if (plan_.gradient_passes.empty()) return absl::OkStatus();
    const std::size_t count = std::min(options_.gradients, sequences_.size());
    const TokenSequences text(sequences_.begin(),
                              sequences_.begin() + static_cast<std::ptrdiff_t>(count));
    GradientRun run{options_.model,   options_.inputs,    options_.runner,
                    options_.factory, options_.cancelled, nullptr};
    std::uint64_t done = 0;
    run.read = [&](std::size_t tokens) {
      done += tokens;
      Show(unread_ + plan_.passes.size() * Whole() + done);
    };
    for (const std::vector<std::size_t>& places : plan_.gradient_passes) {
      ONNXQUANT_ASSIGN_OR_RETURN(std::vector<GradientMoments> sums,
                                 SumGradients(run, plan_.gradients, places, text));
      for (GradientMoments& one : sums) result_.statistics.gradients.push_back(std::move(one));
    }
    result_.statistics.metadata["gradient_sequences"] = absl::StrCat(count);
    return absl::OkStatus();
  }

  absl::Status RunOnText(Decoder& decoder, Loaded& loaded) {
    if (options_.tokens == kSelf) {
      own_text_ = true;
      if (!decoder.cached()) unread_ = Whole();
      if (pass_ == 0) ONNXQUANT_RETURN_IF_ERROR(WriteText(decoder, loaded));
      // Read while it was written, where each token was read once.
      if (pass_ == 0 && decoder.cached()) return absl::OkStatus();
    } else if (sequences_.empty()) {
      ONNXQUANT_ASSIGN_OR_RETURN(sequences_, GetTokens({options_.model, options_.tokens,
                                                        options_.count, 0, options_.cancelled},
                                                       decoder));
    }
    // The decoder sees no logits, which the model without them does not give.
    ONNXQUANT_RETURN_IF_ERROR(CheckTokens(sequences_, model_.vocabulary(), options_.tokens));
    return ReadText(decoder, loaded);
  }

  // How many sequences side by side.
  std::size_t BatchOf(const Decoder& decoder) const {
    if (!decoder.TakesBatches()) return 1;
    // Of each cache there are two for a moment, before and after a step.
    const std::uint64_t bytes =
        std::max<std::uint64_t>(1, 2 * decoder.CacheBytesPerPosition() * options_.length);
    const std::uint64_t fit = options_.memory / 2 / bytes;
    return static_cast<std::size_t>(
        std::clamp<std::uint64_t>(fit, 1, std::min(options_.batch, options_.sequences)));
  }

  absl::Status WriteText(Decoder& decoder, Loaded& loaded) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::int64_t start, FirstOwnToken(options_.model, decoder));
    const std::size_t batch = BatchOf(decoder);
    ONNXQUANT_RETURN_IF_ERROR(CheckTokens({{start}}, decoder.text().vocabulary, options_.model));
    for (std::size_t first = sequences_.size(); first < options_.sequences; first += batch) {
      BatchText text;
      text.start = start;
      text.first = first;
      text.sequences = std::min(batch, options_.sequences - first);
      text.length = options_.length;
      text.seed = options_.inputs.seed;
      text.cancelled = options_.cancelled;
      std::uint64_t steps = 0;
      if (decoder.cached()) {
        text.visit = [&](absl::Span<const Tensor> values) {
          absl::Status status = loaded.sums.Add(values);
          Report(first * options_.length + ++steps * text.sequences);
          return status;
        };
      } else {
        text.wrote = [&] { Show(first * options_.length + ++steps * text.sequences); };
      }
      ONNXQUANT_ASSIGN_OR_RETURN(TokenSequences written, WriteBatch(decoder, text, loaded.outputs));
      for (auto& sequence : written) sequences_.push_back(std::move(sequence));
      ONNXQUANT_RETURN_IF_ERROR(Save(loaded.sums, decoder.cached() ? sequences_.size() : 0));
    }
    return absl::OkStatus();
  }

  // `texts`: of this pass, read so far.
  absl::Status Save(MomentSums& sums, std::size_t texts) {
    if (!options_.save) return absl::OkStatus();
    SnapshotPlace place{"", pass_, texts, own_text_ ? sequences_ : TokenSequences()};
    return options_.save(std::move(place), result_.statistics.moments, sums);
  }

  // Without a cache a step sees none before it: it is as long as models bear.
  absl::Status ReadText(Decoder& decoder, Loaded& loaded) {
    const std::size_t chunk = decoder.cached() ? options_.chunk : kWholeTokens;
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < sequences_.size(); ++i) {
      const std::vector<std::int64_t>& sequence = sequences_[i];
      if (i < begin_) {
        done += sequence.size();
        continue;
      }
      decoder.Reset();
      for (std::size_t at = 0; at < sequence.size(); at += chunk) {
        ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
        if (!decoder.cached()) decoder.Reset();
        const auto tokens = absl::MakeConstSpan(sequence).subspan(at, chunk);
        ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> values,
                                   decoder.Step(tokens, loaded.outputs));
        ONNXQUANT_RETURN_IF_ERROR(loaded.sums.Add(values));
        Report(done += tokens.size());
      }
      ONNXQUANT_RETURN_IF_ERROR(Save(loaded.sums, i + 1));
    }
    return absl::OkStatus();
  }

  absl::Status RunOnInputs(Loaded& loaded) {
    const Signature& signature = loaded.runner->signature();
    if (pass_ == 0) {
      ONNXQUANT_ASSIGN_OR_RETURN(
          GivenSamples given,
          ReadSamples(options_.model, signature, options_.inputs,
                      options_.tokens == kSelf ? std::string() : options_.tokens));
      samples_ = std::move(given.samples);
      if (!given.note.empty()) result_.warnings.push_back(std::move(given.note));
    }
    return SumInputs({options_.model, options_.inputs, loaded.outputs, options_.cancelled,
                      [this](std::size_t done) { Report(done); }},
                     samples_, *loaded.runner, loaded.sums);
  }

  absl::Status RunOnMadeUpInputs(Loaded& loaded) {
    InputOptions inputs = options_.inputs;
    for (std::size_t i = 0; i < options_.sequences; ++i) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
      inputs.seed = options_.inputs.seed + i;
      const Signature& signature = loaded.runner->signature();
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> made,
                                 MakeInputs(signature, inputs));
      const absl::StatusOr<std::vector<Tensor>> values = loaded.runner->Run(made, loaded.outputs);
      if (!values.ok()) return SuggestDimensions(values.status(), signature);
      ONNXQUANT_RETURN_IF_ERROR(loaded.sums.Add(*values));
      Report(i + 1);
    }
    return absl::OkStatus();
  }

  std::size_t RunsOrTexts() const {
    if (!samples_.empty()) return samples_.size();
    return made_up_ ? options_.sequences : sequences_.size();
  }

  // Tokens of a pass, or runs.
  std::uint64_t Whole() const {
    if (!samples_.empty()) return samples_.size();
    return made_up_ || sequences_.empty() || options_.tokens == kSelf
               ? options_.sequences * (made_up_ ? 1 : options_.length)
               : CountTokens(sequences_);
  }

  // Of all passes that read backwards.
  std::uint64_t BackwardTokens() const {
    if (options_.tokens == kSelf) {
      return plan_.gradient_passes.size() * options_.length *
             std::min(options_.gradients, options_.sequences);
    }
    std::uint64_t tokens = 0;
    for (std::size_t i = 0; i < std::min(options_.gradients, sequences_.size()); ++i) {
      tokens += sequences_[i].size();
    }
    return plan_.gradient_passes.size() * tokens;
  }

  // `done` of the pass that runs.
  void Report(std::uint64_t done) const { Show(unread_ + pass_ * Whole() + done); }

  // `done` of everything.
  void Show(std::uint64_t done) const {
    if (!options_.progress) return;
    options_.progress(done, unread_ + plan_.passes.size() * Whole() +
                                (made_up_ || !samples_.empty() ? 0 : BackwardTokens()));
  }

  void Warn() {
    if (made_up_) {
      result_.warnings.push_back(absl::StrCat(
          options_.model, ": takes no tokens: what it read was made up (normally distributed ",
          "numbers), and its statistics say little about real inputs"));
    }
    if (!plan_.no_gradients.empty()) {
      result_.warnings.push_back(absl::StrCat("no gradients: ", plan_.no_gradients));
    }
    const Moments* worst = nullptr;
    std::size_t few = 0;
    for (const Moments& moments : result_.statistics.moments) {
      if (moments.count >= static_cast<std::uint64_t>(moments.size)) continue;
      ++few;
      if (worst == nullptr || moments.size > worst->size) worst = &moments;
    }
    if (worst == nullptr) return;
    result_.warnings.push_back(absl::StrCat(
        few, " of ", result_.statistics.moments.size(), " values have fewer rows than elements ('",
        worst->value, "': ", worst->count, " rows of ", worst->size,
        "), so that directions remain of which nothing is known; read at least ", worst->size,
        " tokens, better ", 10 * worst->size));
  }

  CalibrationOptions options_;
  const CalibrationPlan& plan_;
  ObservedModel model_;
  Calibration result_;
  TokenSequences sequences_;
  std::vector<Sample> samples_;  // where arrays are given
  std::size_t pass_ = 0;
  std::size_t begin_ = 0;     // texts of the pass that another run has read
  std::uint64_t unread_ = 0;  // tokens that are written, and not read while they are
  bool own_text_ = false;
  bool made_up_ = false;
};

}  // namespace

absl::StatusOr<CalibrationPlan> PlanCalibration(const CalibrationOptions& options) {
  if (options.gradients > 0 && !options.inputs.files.empty()) {
    return UsageError(options.model,
                      ": --gradients reads texts backwards, and with --inputs there are none; give "
                      "the texts with --tokens");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::Load(options.model));
  ONNXQUANT_ASSIGN_OR_RETURN(const Graph graph, Graph::Build(model.proto(), options.model));
  ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes types, InferTypes(graph, options.model));
  ONNXQUANT_ASSIGN_OR_RETURN(ObservedValues targets, FindTargets(graph, types, options.model));
  CalibrationPlan plan;
  ONNXQUANT_ASSIGN_OR_RETURN(plan.fingerprint, FingerprintOf(model, graph, targets));
  for (const ObservedValue& target : targets.values) {
    plan.values.push_back({target.name, target.size, 0});
    plan.layers.push_back(target.layer);
    plan.along.push_back(target.along);
  }
  if (options.gradients > 0) {
    absl::StatusOr<GradientPlan> gradients = PlanGradients(graph, types, targets, options.model);
    if (gradients.ok()) {
      plan.gradients = *std::move(gradients);
    } else if (KindOf(gradients.status()) == ErrorKind::kModel) {
      plan.no_gradients = std::string(gradients.status().message());
    } else {
      return gradients.status();
    }
  }
  plan.others = std::move(targets.others);
  plan.positions = PositionsOf(graph, types);
  std::vector<Sums> sums;
  for (const MomentsInfo& info : plan.values) {
    sums.push_back({info.value, info.size, MomentSums::BytesFor(info.size)});
  }
  ONNXQUANT_ASSIGN_OR_RETURN(plan.passes, SplitIntoPasses(options, sums));
  std::vector<Sums> backward;
  for (const GradientPlan::Place& place : plan.gradients.places) {
    backward.push_back({place.info.output, place.info.inputs, GradientBytes(place)});
  }
  ONNXQUANT_ASSIGN_OR_RETURN(plan.gradient_passes, SplitIntoPasses(options, backward));
  return plan;
}

absl::StatusOr<std::string> RunOf(const CalibrationOptions& options, const CalibrationPlan& plan) {
  std::string text = kSelf;
  if (options.tokens != kSelf) {
    ONNXQUANT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(options.tokens));
    const absl::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                                  file.bytes().size());
    text = absl::StrCat("tokens ", Checksum(bytes), " of ", options.count);
  }
  std::string run =
      absl::StrCat(options.tool, " of ", plan.fingerprint, " on ", text, ", seed ",
                   options.inputs.seed, ", ", options.sequences, " x ", options.length, " by ",
                   options.batch, ", steps of ", options.chunk);
  for (const auto& [name, size] : options.inputs.dims) absl::StrAppend(&run, " ", name, "=", size);
  for (const std::vector<std::size_t>& pass : plan.passes) absl::StrAppend(&run, " +", pass.size());
  return run;
}

absl::StatusOr<Calibration> Calibrate(const CalibrationOptions& options,
                                      const CalibrationPlan& plan) {
  ONNXQUANT_ASSIGN_OR_RETURN(ObservedModel model, ObservedModel::Load(options.model));
  return Calibrator(options, plan, std::move(model)).Run();
}

}  // namespace onnxquant
