#include "lib/tune/costs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/files/own_names.h"
#include "lib/statistics/fingerprint.h"
#include "lib/tune/gradient_costs.h"

namespace onnxquant {
namespace {

WeightShape ShapeOf(const Tunable& tunable) {
  for (const TunableOption& option : tunable.options) {
    const Stored& stored = option.job.stored;
    if (stored.form == nullptr) continue;
    return {static_cast<std::size_t>(stored.k), static_cast<std::size_t>(stored.n),
            stored.transposed};
  }
  return {};
}

std::size_t SmallestOption(const Tunable& tunable) {
  const auto smallest = std::min_element(
      tunable.options.begin(), tunable.options.end(),
      [](const TunableOption& a, const TunableOption& b) { return a.bytes < b.bytes; });
  return static_cast<std::size_t>(smallest - tunable.options.begin());
}

bool AllKnown(const CostFile& known, absl::Span<const CostKey> keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&known](const CostKey& key) { return known.Find(key) != nullptr; });
}

std::vector<double> KnownCosts(const CostFile& known, absl::Span<const CostKey> keys) {
  std::vector<double> costs;
  for (const CostKey& key : keys) costs.push_back(known.Find(key)->kl);
  return costs;
}

// Weights are dealt out like cards: those of one layer are alike, and cost alike to measure.
bool IsIn(const std::optional<Part>& part, std::size_t weight) {
  return !part ||
         weight % static_cast<std::size_t>(part->of) == static_cast<std::size_t>(part->number - 1);
}

}  // namespace

TuneCosts::TuneCosts(const TuneOptions& options, const Model& model,
                     absl::Span<const Candidate> candidates, const CalibrationFile* calibration,
                     std::size_t longest)
    : options_(options),
      model_(model),
      candidates_(candidates),
      calibration_(calibration),
      longest_(longest) {
  values_.threads = options.threads;
  values_.cancelled = options.cancelled;
  if (calibration_ != nullptr) {
    factors_.emplace(*calibration_, options.memory / 2);
    values_.factors = &*factors_;
  }
}

absl::StatusOr<std::vector<std::vector<double>>> TuneCosts::Of(absl::Span<const Tunable> tunables) {
  ONNXQUANT_ASSIGN_OR_RETURN(CostFile known, CostFile::Open(options_.cache));
  std::optional<Sensitivity> sensitivity;
  std::vector<std::vector<double>> costs;
  for (std::size_t i = 0; i < tunables.size(); ++i) {
    std::vector<double>& of_weight = costs.emplace_back();
    if (IsIn(options_.part, i)) {
      const bool foretold =
          !options_.measure && calibration_ != nullptr && HasGradients(*calibration_, tunables[i]);
      if (!foretold && !sensitivity) {
        ONNXQUANT_ASSIGN_OR_RETURN(Sensitivity loaded, Listen(tunables));
        sensitivity.emplace(std::move(loaded));
        positions_ = sensitivity->positions();
        ONNXQUANT_ASSIGN_OR_RETURN(fingerprint_, FingerprintOfFile(options_.model));
      }
      ONNXQUANT_ASSIGN_OR_RETURN(of_weight, foretold ? Foretold(tunables[i], known)
                                                     : Measured(tunables[i], *sensitivity, known));
    }
    if (options_.progress) options_.progress(i + 1, tunables.size());
  }
  return costs;
}

std::string TuneCosts::CalibrationName() const {
  if (calibration_ == nullptr) return "";
  std::vector<std::string> words;
  for (const auto& [key, value] : calibration_->metadata()) {
    words.push_back(absl::StrCat(key, "=", value));
  }
  return absl::StrJoin(words, " ");
}

std::vector<CostKey> TuneCosts::KeysOf(const Tunable& tunable, const std::string& model,
                                       const std::string& text) const {
  std::vector<CostKey> keys;
  for (const TunableOption& option : tunable.options) {
    keys.push_back(
        {model, text, tunable.name, candidates_[option.candidate].words, CalibrationName()});
  }
  return keys;
}

absl::StatusOr<Sensitivity> TuneCosts::Listen(absl::Span<const Tunable> tunables) const {
  SensitivityOptions sensitivity;
  sensitivity.model = options_.model;
  sensitivity.tokens = options_.tokens;
  sensitivity.count = options_.count;
  sensitivity.longest = longest_;
  sensitivity.inputs = options_.inputs;
  sensitivity.runner = options_.runner;
  sensitivity.factory = options_.factory;
  sensitivity.cancelled = [flag = options_.cancelled] { return flag != nullptr && *flag; };
  std::vector<std::string> names;
  for (const Tunable& tunable : tunables) names.push_back(tunable.name);
  return Sensitivity::Create(sensitivity, names);
}

absl::StatusOr<absl::Span<const float>> TuneCosts::MomentsOf(const Tunable& tunable) const {
  const MomentsInfo* entry =
      calibration_ == nullptr ? nullptr : calibration_->Find(tunable.statistic);
  if (entry == nullptr) return absl::Span<const float>();
  return calibration_->Sums(*entry);
}

// What tells apart the sums that the weight's costs are foretold by: the names of two calibrations
// on different texts of one length may be the same.
absl::StatusOr<std::string> TuneCosts::SumsOf(const Tunable& tunable) const {
  std::string sums;
  const auto add = [&sums](absl::Span<const float> numbers) {
    const absl::Span<const std::byte> bytes = AsBytes(numbers);
    absl::StrAppendFormat(&sums, " %016x",
                          Checksum({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  };
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> moments, MomentsOf(tunable));
  add(moments);
  for (const std::string& output : tunable.outputs) {
    const GradientInfo& info = *calibration_->FindGradient(output);
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> gradients,
                               calibration_->GradientSums(info));
    add(gradients);
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> squares,
                               calibration_->GradientSquares(info));
    add(squares);
  }
  return sums;
}

absl::StatusOr<std::vector<double>> TuneCosts::Foretold(const Tunable& tunable, CostFile& known) {
  std::vector<CostKey> keys;
  if (!options_.cache.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string sums, SumsOf(tunable));
    keys = KeysOf(tunable, calibration_->fingerprint(), absl::StrCat("gradients", sums));
    if (AllKnown(known, keys)) return KnownCosts(known, keys);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> weights,
                             ValuesOfSource(model_, *tunable.tensor));
  std::vector<double> costs;
  for (const TunableOption& option : tunable.options) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> values,
                               ValuesStored(model_, option.job, values_));
    ONNXQUANT_ASSIGN_OR_RETURN(
        costs.emplace_back(),
        CostByGradients(*calibration_, tunable, ShapeOf(tunable), weights, values, values_));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ONNXQUANT_RETURN_IF_ERROR(known.Add(keys[i], {costs[i], 0}));
  }
  return costs;
}

absl::StatusOr<std::vector<double>> TuneCosts::Measured(const Tunable& tunable,
                                                        Sensitivity& sensitivity, CostFile& known) {
  const std::vector<CostKey> keys = KeysOf(tunable, fingerprint_, sensitivity.text());
  if (!AllKnown(known, keys)) {
    ONNXQUANT_RETURN_IF_ERROR(Measure(tunable, keys, sensitivity, known));
  }
  return KnownCosts(known, keys);
}

absl::Status TuneCosts::Measure(const Tunable& tunable, absl::Span<const CostKey> keys,
                                Sensitivity& sensitivity, CostFile& known) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> weights,
                             ValuesOfSource(model_, *tunable.tensor));
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> moments, MomentsOf(tunable));
  const WeightShape shape = ShapeOf(tunable);
  const std::size_t smallest = SmallestOption(tunable);
  std::vector<double> errors;
  double kl = 0;
  for (std::size_t i = 0; i < tunable.options.size(); ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<float> values,
                               ValuesStored(model_, tunable.options[i].job, values_));
    ONNXQUANT_ASSIGN_OR_RETURN(errors.emplace_back(),
                               ErrorOf(shape, weights, values, moments, {}, values_));
    if (i != smallest) continue;
    const onnx::TensorProto& tensor = *tunable.tensor;
    ONNXQUANT_ASSIGN_OR_RETURN(
        kl, sensitivity.KlWith(
                {tunable.name, Tensor::OfFloats(static_cast<ElementType>(tensor.data_type()),
                                                {tensor.dims().begin(), tensor.dims().end()},
                                                std::move(values))}));
    ++measured_;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const double share = errors[smallest] > 0 ? errors[i] / errors[smallest] : 0;
    ONNXQUANT_RETURN_IF_ERROR(known.Add(keys[i], {i == smallest ? kl : kl * share, errors[i]}));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
