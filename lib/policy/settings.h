// What a policy says about one node, weight or value of a model, and why.
#ifndef ONNXQUANT_LIB_POLICY_SETTINGS_H_
#define ONNXQUANT_LIB_POLICY_SETTINGS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "lib/policy/policy.h"

namespace onnxquant {

// The fields that a reason speaks of, as bits.
using FieldSet = unsigned;
inline constexpr FieldSet kComputeField = 1U << 0U;
inline constexpr FieldSet kWeightsField = 1U << 1U;
inline constexpr FieldSet kIoField = 1U << 2U;
inline constexpr FieldSet kAccuracyLevelField = 1U << 3U;
inline constexpr FieldSet kOverflowField = 1U << 4U;
inline constexpr FieldSet kKeepField = 1U << 5U;
inline constexpr FieldSet kResidualField = 1U << 6U;
inline constexpr FieldSet kMethodField = 1U << 7U;
inline constexpr FieldSet kTieField = 1U << 8U;
inline constexpr FieldSet kRopeCacheField = 1U << 9U;
FieldSet FieldsOf(const Settings& set);

// One thing that decided: "output 'q4' of gemma-web sets weights: int4 block 32 symmetric",
// "rule at gemma-web.yaml:12:5 sets compute: float32".
// Thousands of nodes share one, so that a copy is a pointer.
class Reason {
 public:
  Reason(std::string source, std::string effect, FieldSet fields = 0)
      : text_(std::make_shared<const Text>(Text{std::move(source), std::move(effect), fields})) {}

  const std::string& source() const { return text_->source; }
  const std::string& effect() const { return text_->effect; }
  FieldSet fields() const { return text_->fields; }  // of an output or a rule; else none
  std::string ToString() const;

 private:
  struct Text {
    std::string source;
    std::string effect;
    FieldSet fields = 0;
  };
  std::shared_ptr<const Text> text_;
};
// Most nodes have a rule's or an output's, and often that of a neighbour.
using Reasons = absl::InlinedVector<Reason, 2>;

// Those that set one of the fields: a rule is no reason for what it says nothing of.
Reasons OnlyFor(FieldSet fields, const Reasons& reasons);

// The fields after all rules, with every default filled in.
struct Resolved {
  ElementType compute = ElementType::kFloat;
  WeightFormat weights;
  ElementType io = ElementType::kFloat;
  int accuracy_level = 0;
  Overflow overflow = Overflow::kError;
  bool keep = false;
  std::optional<ResidualSetting> residual;
  RopeCacheSetting rope_cache;
  methods::Method method = methods::Method::kNearest;
  bool tie = true;
  bool compute_by_rule = false;  // a rule, not the output's default, chose the compute type
  bool weights_by_rule = false;
  bool io_by_rule = false;
  bool named = false;  // a rule that chose the compute type or the weights selects by names
  Reasons why;         // in the order of application: the last that sets a field wins
};

// "compute: float32, weights: float16": the fields that are set.
std::string EffectOf(const Settings& set);

// Applies one policy to the subjects of one output.
class SettingsResolver {
 public:
  SettingsResolver(const Policy& policy, const OutputSpec& output);

  // What holds for a thing that can be seen as any of `subjects`: a rule applies when it matches
  // one of them (a node with several weights is one subject per weight).
  Resolved Resolve(absl::Span<const Subject> subjects);

  // Whether rules()[i] has matched any subject so far, and whether it could do anything about one.
  const std::vector<bool>& matched() const { return matched_; }
  const std::vector<bool>& acted() const { return acted_; }

 private:
  const Policy& policy_;
  const OutputSpec& output_;
  Reason by_default_;
  Reason by_io_;                 // where something else has set it
  std::vector<Reason> by_rule_;  // by rule
  std::vector<bool> matched_;
  std::vector<bool> acted_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SETTINGS_H_
