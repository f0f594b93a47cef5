#include "lib/tune/tune.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/convert/plan_inputs.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/formats.h"
#include "lib/parts/data_files.h"
#include "lib/policy/policy_yaml.h"
#include "lib/tune/costs.h"
#include "lib/tune/tunable.h"
#include "onnxquant/choose_policy.h"

namespace onnxquant {
namespace {

// The options with the policy that the model's family asks for, where they leave it open.
struct Asked {
  TuneOptions options;
  std::string chosen_because;
};

absl::StatusOr<Asked> Settle(const TuneOptions& options) {
  // Every family's policy has it, and it is the one whose size matters most.
  constexpr char kDtype[] = "q4f16";
  Asked asked{options, ""};
  PlanOptions& plan = asked.options.plan;
  if (plan.policy != kAutoPolicy || !plan.policy_yaml.empty()) return asked;
  ONNXQUANT_ASSIGN_OR_RETURN(PolicyChoice choice, ChoosePolicy(options.model));
  plan.policy = std::move(choice.policy);
  if (plan.dtypes.empty()) plan.dtypes = {kDtype};
  asked.chosen_because = std::move(choice.why);
  return asked;
}

// All that is read once.
struct Loaded {
  PolicyText text;
  Policy policy;
  std::string dtype;
  Model model;
  Analysis analysis;
};

absl::StatusOr<std::string> DtypeOf(const TuneOptions& options, const Policy& policy) {
  if (options.plan.dtypes.size() == 1) return options.plan.dtypes.front();
  if (options.plan.dtypes.empty() && policy.outputs.size() == 1) {
    return policy.outputs.front().dtype;
  }
  std::vector<std::string> dtypes;
  for (const OutputSpec& output : policy.outputs) dtypes.push_back(output.dtype);
  return UsageError("one output is tuned at a time: choose it with --dtype; policy ", policy.name,
                    " has ", absl::StrJoin(dtypes, ", "));
}

absl::StatusOr<Loaded> Load(const TuneOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(PolicyText text, PolicyTextOf(options.plan));
  ONNXQUANT_ASSIGN_OR_RETURN(Policy policy, PolicyOf(text, options.plan));
  ONNXQUANT_ASSIGN_OR_RETURN(std::string dtype, DtypeOf(options, policy));
  ONNXQUANT_ASSIGN_OR_RETURN(Model model, Model::LoadToConvert(options.model, LeastOpset(policy)));
  ONNXQUANT_ASSIGN_OR_RETURN(Analysis analysis, Analyze(model.proto(), options.model));
  return Loaded{std::move(text), std::move(policy), std::move(dtype), std::move(model),
                std::move(analysis)};
}

absl::StatusOr<WeightFormat> ParseFormat(const std::string& text) {
  ONNXQUANT_ASSIGN_OR_RETURN(
      const Rule rule,
      ParseRule(absl::StrCat("match: {weight: \"*\"}, weights: ", text), "--format"));
  if (!rule.set.weights) return UsageError("--format ", text, ": names no format");
  return *rule.set.weights;
}

// Their scales take a tenth of the bytes that those of blocks of 32 do.
constexpr int kLargeBlock = 128;
constexpr int kSmallestBlock = 16;

// What the output stores most weights in by default and 8 bits, both in such blocks and in half of
// them, which fill sizes that the others leave open, and 8 bits in large ones.
absl::StatusOr<std::vector<WeightFormat>> DefaultFormats(const Policy& policy,
                                                         const std::string& dtype) {
  for (const OutputSpec& output : policy.outputs) {
    if (output.dtype != dtype || !output.defaults.weights) continue;
    const WeightFormat& usual = *output.defaults.weights;
    std::vector<WeightFormat> formats;
    for (const FormatWord& word : kBlockWords) {
      if (usual.word == word.word) formats.push_back(usual);
    }
    if (formats.empty()) {
      return UsageError("output '", dtype, "' of policy ", policy.name, " stores weights as ",
                        ToString(usual),
                        ", not in blocks of codes; say with --format which "
                        "formats to choose from");
    }
    WeightFormat wide = *FormatOfWord("int8");
    wide.block = usual.block;
    if (usual.word != wide.word) formats.push_back(wide);
    for (std::size_t i = formats.size(); i-- > 0;) {
      WeightFormat half = formats[i];
      half.block /= 2;
      if (half.block >= kSmallestBlock) formats.push_back(half);
    }
    wide.block = kLargeBlock;
    if (usual.block < kLargeBlock) formats.push_back(wide);
    return formats;
  }
  return UsageError("policy ", policy.name, " has no output '", dtype, "'");
}

// Whether products of the output round their activations to 8 bits.
bool RoundsActivations(const Policy& policy, const std::string& dtype) {
  constexpr int kIntegerActivations = 4;
  return std::any_of(policy.outputs.begin(), policy.outputs.end(), [&](const OutputSpec& output) {
    return output.dtype == dtype && output.defaults.accuracy_level == kIntegerActivations;
  });
}

// With statistics, what has few bits is chosen by them.
absl::StatusOr<std::vector<Candidate>> CandidatesOf(const TuneOptions& options,
                                                    const Policy& policy,
                                                    const std::string& dtype) {
  std::vector<WeightFormat> formats;
  for (const std::string& text : options.formats) {
    ONNXQUANT_ASSIGN_OR_RETURN(formats.emplace_back(), ParseFormat(text));
  }
  if (formats.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(formats, DefaultFormats(policy, dtype));
  }
  const bool exact = !options.fast && RoundsActivations(policy, dtype);
  std::vector<Candidate> candidates;
  for (const WeightFormat& format : formats) {
    Candidate candidate;
    candidate.set.weights = format;
    candidate.words = ToString(format);
    if (exact && !format.IsFloat() && format.bits == 8) candidate.set.accuracy_level = 0;
    if (!options.plan.calibration.empty() && !format.IsFloat()) {
      candidate.set.method = format.bits < 8 ? methods::Method::kGptq : methods::Method::kNearest;
      absl::StrAppend(&candidate.words, ", ", methods::RowOf(*candidate.set.method).word);
    }
    const auto same = [&candidate](const Candidate& other) {
      return other.words == candidate.words;
    };
    if (std::none_of(candidates.begin(), candidates.end(), same)) candidates.push_back(candidate);
  }
  if (candidates.size() < 2) {
    return UsageError("there is but one format to choose from (", candidates.front().words,
                      "); name another with --format");
  }
  return candidates;
}

// The rows of the shortest table of a rotary embedding; 0: there is none.
std::size_t LongestText(const Analysis& analysis) {
  std::size_t longest = 0;
  for (const RopeCache& cache : analysis.rope.caches) {
    const auto shape = ConstantShape(analysis.graph, cache.cosines);
    if (!shape || shape->empty() || shape->front() <= 0) continue;
    const auto rows = static_cast<std::size_t>(shape->front());
    longest = longest == 0 ? rows : std::min(longest, rows);
  }
  return longest;
}

std::vector<AllocationItem> ItemsOf(absl::Span<const Tunable> tunables,
                                    absl::Span<const std::vector<double>> costs) {
  std::vector<AllocationItem> items;
  for (std::size_t i = 0; i < tunables.size(); ++i) {
    AllocationItem& item = items.emplace_back();
    for (std::size_t j = 0; j < tunables[i].options.size(); ++j) {
      item.options.push_back({tunables[i].options[j].bytes, costs[i][j]});
    }
  }
  return items;
}

// What there is to choose from.
struct Choices {
  const TuneSubject& subject;
  const Loaded& loaded;
  const TuneOptions& options;
  absl::Span<const Candidate> candidates;
  absl::Span<const Tunable> tunables;
  absl::Span<const std::vector<double>> costs;
};

// What was chosen, written as a policy, and what that comes to.
struct Chosen {
  Allocation allocation;
  std::vector<TunedWeight> weights;
  std::string yaml;
  std::uint64_t bytes = 0;
};

absl::StatusOr<Chosen> Write(const Choices& from, Allocation allocation) {
  Chosen chosen;
  for (std::size_t i = 0; i < from.tunables.size(); ++i) {
    const Tunable& tunable = from.tunables[i];
    const std::size_t at = allocation.chosen[i];
    const TunableOption& option = tunable.options[at];
    const Settings& set = from.candidates[option.candidate].set;
    chosen.weights.push_back({tunable.name, tunable.role, tunable.layer, set,
                              tunable.base == static_cast<int>(at) && !set.accuracy_level,
                              option.bytes, from.costs[i][at]});
  }
  const std::vector<std::string> comment = {absl::StrFormat(
      "Chosen by 'onnxquant tune': predicted KL %.4g nats per token.", allocation.cost)};
  const PolicyText& text = from.loaded.text;
  ONNXQUANT_ASSIGN_OR_RETURN(chosen.yaml,
                             WithRules(text.yaml, text.file, chosen.weights, from.subject.dtype,
                                       from.options.plan.rules, comment));
  ONNXQUANT_ASSIGN_OR_RETURN(const Policy policy, ParsePolicy(chosen.yaml, text.file));
  ONNXQUANT_ASSIGN_OR_RETURN(const DecidedOutput decided, Decide(from.subject, policy));
  chosen.bytes = decided.bytes;
  chosen.allocation = std::move(allocation);
  return chosen;
}

// The fewest bytes at no more than `max_kl`.
absl::StatusOr<Chosen> ChooseForKl(const Choices& from, absl::Span<const AllocationItem> items,
                                   double max_kl, double least) {
  std::optional<Allocation> found = AllocateFor(items, max_kl);
  if (found) return Write(from, *std::move(found));
  return UsageError(from.options.model, ": the least that these formats cost is a predicted KL of ",
                    absl::StrFormat("%.3g", least),
                    "; allow more with --max-kl, or name formats of more bits with --format");
}

// The least KL in no more than `size` bytes of all files. `smallest`: what takes the fewest.
absl::StatusOr<Chosen> ChooseForSize(const Choices& from, absl::Span<const AllocationItem> items,
                                     std::uint64_t size, Chosen smallest) {
  if (smallest.bytes > size) {
    return UsageError(from.options.model, ": takes at least ", smallest.bytes,
                      " bytes in these formats, ", smallest.bytes - size,
                      " more than --size allows; name formats of fewer bits with --format");
  }
  const std::uint64_t least = smallest.allocation.bytes;
  std::uint64_t budget = size - (smallest.bytes - least);
  Chosen best = std::move(smallest);
  // What lies between tensors depends on which they are: the exact sizes say what is left.
  constexpr int kTries = 12;
  for (int i = 0; i < kTries; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(Chosen chosen, Write(from, *AllocateWithin(items, budget)));
    const std::uint64_t taken = chosen.allocation.bytes;
    if (chosen.bytes > size) {
      const std::uint64_t over = chosen.bytes - size;
      if (taken < least + over) break;
      budget = taken - over;
      continue;
    }
    const std::uint64_t left = size - chosen.bytes;
    if (chosen.allocation.cost < best.allocation.cost) best = std::move(chosen);
    if (left < size / 1000) break;
    budget += left / 2;
  }
  return best;
}

// Predicted, of the policy as it was; nothing where it has formats that are not to choose from.
std::optional<double> BaseKl(const Choices& from) {
  double kl = 0;
  for (std::size_t i = 0; i < from.tunables.size(); ++i) {
    if (from.tunables[i].base < 0) return std::nullopt;
    kl += from.costs[i][static_cast<std::size_t>(from.tunables[i].base)];
  }
  return kl;
}

absl::Status CheckPartOf(const TuneOptions& options) {
  if (!options.part) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(CheckPart(*options.part));
  if (!options.cache.empty()) return absl::OkStatus();
  return UsageError(
      "--part keeps the costs of its weights for the run that chooses: name the file "
      "with --cache");
}

}  // namespace

absl::StatusOr<Tuning> Tune(const TuneOptions& given) {
  ONNXQUANT_RETURN_IF_ERROR(CheckPartOf(given));
  ONNXQUANT_ASSIGN_OR_RETURN(const Asked asked, Settle(given));
  const TuneOptions& options = asked.options;
  ONNXQUANT_ASSIGN_OR_RETURN(const Loaded loaded, Load(options));
  ONNXQUANT_ASSIGN_OR_RETURN(const EvidenceFiles files,
                             EvidenceOf(options.plan, loaded.model, loaded.analysis));
  const TuneSubject subject{loaded.model, loaded.analysis, files.evidence, loaded.dtype};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates,
                             CandidatesOf(options, loaded.policy, loaded.dtype));
  ONNXQUANT_ASSIGN_OR_RETURN(const DecidedOutput base, Decide(subject, loaded.policy));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tunable> tunables,
                             FindTunables(subject, loaded.policy, base, candidates));
  // A policy that no rules can be added to is told of before anything is measured.
  ONNXQUANT_RETURN_IF_ERROR(
      WithRules(loaded.text.yaml, loaded.text.file, {}, loaded.dtype, {}, {}).status());
  const std::size_t longest = LongestText(loaded.analysis);
  TuneCosts measuring(options, loaded.model, candidates,
                      files.calibration ? &*files.calibration : nullptr, longest);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::vector<double>> costs, measuring.Of(tunables));
  Tuning tuning;
  tuning.policy_name = loaded.policy.name;
  tuning.chosen_because = asked.chosen_because;
  tuning.dtype = loaded.dtype;
  tuning.base_bytes = base.bytes;
  tuning.longest = longest;
  tuning.measured = measuring.measured();
  tuning.positions = measuring.positions();
  if (options.part) return tuning;
  const std::vector<AllocationItem> items = ItemsOf(tunables, costs);
  const Choices from{subject, loaded, options, candidates, tunables, costs};
  tuning.base_kl = BaseKl(from);
  // What all else takes: nearly the same whatever is chosen.
  ONNXQUANT_ASSIGN_OR_RETURN(Chosen smallest,
                             Write(from, *AllocateWithin(items, FrontOf(items).front().bytes)));
  constexpr std::size_t kSizes = 64;
  tuning.front = FilledFrontOf(items, kSizes);
  for (FrontPoint& point : tuning.front) point.bytes += smallest.bytes - smallest.allocation.bytes;
  std::optional<Chosen> best;
  if (options.max_kl) {
    const double least = tuning.front.back().cost;
    ONNXQUANT_ASSIGN_OR_RETURN(best, ChooseForKl(from, items, *options.max_kl, least));
  } else if (options.size) {
    ONNXQUANT_ASSIGN_OR_RETURN(best,
                               ChooseForSize(from, items, *options.size, std::move(smallest)));
  }
  if (best) {
    tuning.policy = std::move(best->yaml);
    tuning.bytes = best->bytes;
    tuning.kl = best->allocation.cost;
    tuning.weights = std::move(best->weights);
  }
  return tuning;
}

}  // namespace onnxquant
