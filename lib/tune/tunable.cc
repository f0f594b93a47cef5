#include "lib/tune/tunable.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/convert/planned_output.h"
#include "lib/formats/block_codec.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/glob.h"
#include "lib/rewrite/share_equal.h"

namespace onnxquant {
namespace {

bool InBlocks(const WeightCopy& copy) {
  const auto* end = std::end(kBlockWords);
  return copy.stored.form != nullptr &&
         std::find_if(std::begin(kBlockWords), end, [&copy](const FormatWord& word) {
           return word.word == copy.format.word;
         }) != end;
}

// Whether the main graph has it as an initializer that a runtime can be given another value for.
const onnx::TensorProto* InitializerOf(const Graph& graph, ValueId value) {
  return graph.value(value).scope == kMainScope ? graph.value(value).initializer : nullptr;
}

using WeightPlans = absl::flat_hash_map<ValueId, const WeightPlan*>;
WeightPlans ByWeight(const OutputPlan& plan) {
  WeightPlans plans;
  for (const WeightPlan& weight : plan.weights) plans.emplace(weight.weight, &weight);
  return plans;
}

// Those of the policy that may have another format.
std::vector<ValueId> WeightsInBlocks(const TuneSubject& subject, const OutputPlan& plan) {
  std::vector<ValueId> weights;
  for (const WeightPlan& weight : plan.weights) {
    if (InitializerOf(subject.analysis.graph, weight.weight) == nullptr) continue;
    if (!weight.copies.empty() &&
        std::all_of(weight.copies.begin(), weight.copies.end(), InBlocks)) {
      weights.push_back(weight.weight);
    }
  }
  return weights;
}

// Whether all that is stored of the weight is what the candidate asks for.
bool Took(const WeightPlan& weight, const Settings& set) {
  return std::all_of(weight.copies.begin(), weight.copies.end(), [&set](const WeightCopy& copy) {
    return copy.left.empty() && copy.format == *set.weights && !copy.made;
  });
}

bool IsBase(const WeightPlan& weight, const Settings& set) {
  return Took(weight, set) &&
         std::all_of(weight.copies.begin(), weight.copies.end(), [&set](const WeightCopy& copy) {
           return copy.stored.form == nullptr || !set.method || copy.choice.method == *set.method;
         });
}

// What is stored of each constant, and the first of the jobs that make it.
struct StoredForms {
  absl::flat_hash_map<std::string, std::uint64_t> bytes;
  absl::flat_hash_map<std::string, FillJob> jobs;
};
StoredForms FormsOf(const Rewritten& rewritten) {
  StoredForms forms;
  for (const FillJob& job : rewritten.jobs) {
    const std::string& name = job.source->name();
    forms.jobs.try_emplace(name, job);
    for (const int target : job.targets) {
      if (target != kNotStored) {
        forms.bytes[name] += rewritten.bytes[static_cast<std::size_t>(target)];
      }
    }
  }
  return forms;
}

Rule RuleFor(const std::vector<std::string>& names, const Candidate& candidate) {
  Rule rule;
  for (const std::string& name : names) rule.match.weights.push_back(AsGlob(name));
  rule.set = candidate.set;
  rule.optional = true;
  rule.mark.file = "tuning";
  return rule;
}

Tunable TunableOf(const TuneSubject& subject, const WeightPlan& plan) {
  const Analysis& analysis = subject.analysis;
  Tunable tunable;
  tunable.name = analysis.graph.value(plan.weight).name;
  tunable.tensor = ConstantTensor(analysis.graph, plan.weight);
  for (const WeightCopy& copy : plan.copies) {
    for (const std::size_t use : copy.uses) {
      const auto [reader, input] = analysis.weight_uses[use].reader;
      if (tunable.role.empty()) {
        const NodeRole& role = analysis.roles.nodes[reader];
        tunable.role = NameOf(role.role);
        tunable.layer = role.layer;
      }
      tunable.outputs.push_back(analysis.graph.node(reader).proto->output(0));
      if (!subject.evidence.calibration) continue;
      const auto known = subject.evidence.calibration->inputs.find({reader, input});
      if (known != subject.evidence.calibration->inputs.end()) tunable.statistic = known->second;
    }
  }
  return tunable;
}

}  // namespace

absl::StatusOr<DecidedOutput> Decide(const TuneSubject& subject, const Policy& policy) {
  ONNXQUANT_ASSIGN_OR_RETURN(
      std::vector<OutputPlan> plans,
      MakePlans(subject.analysis, policy, {subject.dtype}, subject.model.path(), subject.evidence));
  DecidedOutput decided{std::move(plans.front()), {}, 0};
  ONNXQUANT_ASSIGN_OR_RETURN(Rewritten rewritten,
                             Rewrite(subject.model, subject.analysis, decided.plan));
  ONNXQUANT_RETURN_IF_ERROR(ShareEqual(subject.model, rewritten));
  // Each external tensor of the model names its file.
  const std::string stem = std::filesystem::path(subject.model.path()).stem().string();
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string suffix, FileSuffixOf(subject.dtype));
  const std::string name = absl::StrCat(SplitSourceStem(stem).base, suffix, ".onnx");
  ONNXQUANT_ASSIGN_OR_RETURN(PlannedOutput output,
                             LayOut(std::move(rewritten), name, LayoutOptions()));
  decided.bytes = output.model.size();
  for (const std::uint64_t shard : output.layout.shard_bytes) decided.bytes += shard;
  decided.rewritten = std::move(output.rewritten);
  return decided;
}

absl::StatusOr<std::vector<Tunable>> FindTunables(const TuneSubject& subject, const Policy& policy,
                                                  const DecidedOutput& base,
                                                  absl::Span<const Candidate> candidates) {
  const std::vector<ValueId> weights = WeightsInBlocks(subject, base.plan);
  const WeightPlans base_plans = ByWeight(base.plan);
  std::vector<Tunable> tunables;
  std::vector<std::string> names;
  for (const ValueId weight : weights) {
    tunables.push_back(TunableOf(subject, *base_plans.at(weight)));
    names.push_back(tunables.back().name);
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Policy with = policy;
    with.rules.push_back(RuleFor(names, candidates[i]));
    ONNXQUANT_ASSIGN_OR_RETURN(const DecidedOutput decided, Decide(subject, with));
    const WeightPlans plans = ByWeight(decided.plan);
    const StoredForms forms = FormsOf(decided.rewritten);
    for (std::size_t w = 0; w < weights.size(); ++w) {
      const std::string& name = names[w];
      const auto plan = plans.find(weights[w]);
      const auto job = forms.jobs.find(name);
      if (plan == plans.end() || job == forms.jobs.end() ||
          !Took(*plan->second, candidates[i].set)) {
        continue;
      }
      if (IsBase(*base_plans.at(weights[w]), candidates[i].set)) {
        tunables[w].base = static_cast<int>(tunables[w].options.size());
      }
      tunables[w].options.push_back({i, forms.bytes.at(name), job->second});
    }
  }
  tunables.erase(std::remove_if(tunables.begin(), tunables.end(),
                                [](const Tunable& one) { return one.options.size() < 2; }),
                 tunables.end());
  if (tunables.empty()) {
    return PolicyError(policy.name, ": output '", subject.dtype,
                       "' stores no weight in blocks of codes that could have another of the "
                       "formats to choose from");
  }
  return tunables;
}

}  // namespace onnxquant
