#include "lib/policy/plan_weights.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/analysis/ranks.h"
#include "lib/formats/formats.h"
#include "lib/policy/plan_rope.h"
#include "lib/policy/shared_reasons.h"
#include "lib/policy/subjects.h"
#include "lib/policy/take_lattice.h"

namespace onnxquant {
namespace {

// From this size a constant of a Constant node or a body becomes an initializer of the main graph,
// so that it can go to external data.
constexpr std::uint64_t kLargeConstant = 1024;

// Up to this many elements a constant costs less than the Cast of it.
constexpr std::uint64_t kFewElements = 16;

std::uint64_t ElementsOf(const std::vector<std::int64_t>& dims) {
  std::uint64_t elements = 1;
  for (const std::int64_t dim : dims) elements *= static_cast<std::uint64_t>(dim);
  return elements;
}

// The reading as a format judges it, but for the types of the reader's arithmetic.
WeightReading ReadingOf(const PlanContext& context, const WeightUse& use) {
  const Node& reader = context.graph().node(use.reader.node);
  WeightReading reading;
  reading.node = reader.proto;
  reading.op = context.graph().OpName(use.reader.node);
  reading.input = use.reader.input;
  reading.follows =
      context.Traits(use.reader.node).inputs[static_cast<std::size_t>(use.reader.input)] ==
      SlotRule::kFollows;
  reading.dims = *ConstantShape(context.graph(), use.weight);
  reading.transposed = use.transposed;
  reading.in_body = reader.scope != kMainScope;
  if (reading.dims.size() == 3 && use.reader.input == 1) {
    reading.other_rank = RankOf(context.graph(), reader.inputs[0]);
  } else if (reading.op == "Gather" && reader.inputs.size() > 1) {
    reading.other_rank = RankOf(context.graph(), reader.inputs[1]);
  }
  return reading;
}

// A reading in the types that the plan has so far.
WeightReading TypedReading(const PlanContext& context, const IdVector<NodePlan>& nodes,
                           const Subject& subject, NodeId reader) {
  WeightReading reading = *subject.reading;
  reading.compute = nodes[reader].compute;
  // Scales whose type the reader leaves open are in 16 bits where the output's arithmetic is: they
  // lose less by it than the codes do.
  const bool half = context.output.defaults.compute == ElementType::kFloat16;
  reading.scale = half ? ElementType::kFloat16 : reading.compute;
  return reading;
}

FormatFit FitOf(const PlanContext& context, const IdVector<NodePlan>& nodes,
                const Resolved& resolved, const Subject& subject, NodeId reader) {
  return FindFit(resolved.weights, TypedReading(context, nodes, subject, reader),
                 resolved.weights_by_rule);
}

// Why the reader cannot have this constant in codes, of those that it wants together; "" if it can.
std::string WhyAlone(const PlanContext& context, const IdVector<NodePlan>& nodes,
                     const WeightUse& use, const Stored& stored, SettingsResolver& resolver) {
  for (const int input : stored.form->together) {
    if (input == use.reader.input) continue;
    const std::string what = absl::StrCat(
        "its ", context.graph().OpName(use.reader.node), " reads codes as operands ",
        absl::StrJoin(stored.form->together, " and ",
                      [](std::string* out, int each) { absl::StrAppend(out, each + 1); }),
        " or as none, and operand ", input + 1, " ");
    FormatFit other;
    other.reason = "no constant";
    for (const std::size_t index : context.uses_by_reader.Of(use.reader.node)) {
      if (context.analysis.weight_uses[index].reader.input != input) continue;
      const Subject subject = SubjectOfUse(context, index);
      const Resolved resolved = resolver.Resolve({&subject, 1});
      if (resolved.weights.IsFloat()) {
        other.reason = ToString(resolved.weights);
      } else {
        other = FitOf(context, nodes, resolved, subject, use.reader.node);
      }
    }
    if (!other.ok()) return absl::StrCat(what, "is ", other.reason);
    if (other.stored.form != stored.form || other.stored.format != stored.format) {
      return absl::StrCat(what, "is ", ToString(other.stored.format));
    }
  }
  return "";
}

// The float type in which a constant is stored, and what decides it: the fields that do, and who
// where these say another type.
struct FloatChoice {
  ElementType type = ElementType::kFloat;
  FieldSet fields = 0;
  const char* because = "";
};

FloatChoice ChooseFloat(const PlanContext& context, const IdVector<NodePlan>& nodes,
                        const Resolved& resolved, std::size_t use_index) {
  const WeightUse& use = context.analysis.weight_uses[use_index];
  const ElementType original = context.OriginalType(use.weight);
  const SlotRule slot =
      context.Traits(use.reader.node).inputs[static_cast<std::size_t>(use.reader.input)];
  if (slot == SlotRule::kFloat32) return {ElementType::kFloat, 0, "the operator that reads it"};
  if (slot != SlotRule::kFollows) return {original, 0, "the operator that reads it"};
  const ElementType compute = nodes[use.reader.node].compute;
  const std::uint64_t elements = ElementsOf(*ConstantShape(context.graph(), use.weight));
  // Scales belong to their codes, and have the type that the operator computes in; frequencies of a
  // rotary embedding are scaled by far positions. And a scalar is no weight: storing it in fewer
  // bits saves nothing.
  const std::vector<NodeId>& makers = context.analysis.rope.makers;
  if (elements <= 1 || HoldsCodes(*context.graph().node(use.reader.node).proto) ||
      std::binary_search(makers.begin(), makers.end(), use.reader.node)) {
    return {compute, kComputeField, "the arithmetic that reads it"};
  }
  if (resolved.weights_by_rule && resolved.weights.IsFloat()) {
    return {resolved.weights.type == kAsInSource ? original : resolved.weights.type,
            kWeightsField | kKeepField};
  }
  const std::optional<WeightFormat>& by_default = context.output.defaults.weights;
  if (by_default && by_default->IsFloat() && by_default->type == kAsInSource) {
    if (elements > kFewElements) return {original, kWeightsField};
    return {compute, kComputeField, "the arithmetic that reads its few elements"};
  }
  // A rule that has the node compute in more bits says nothing of how its weights are stored. In an
  // output of 16-bit arithmetic they stay in 16 bits, and are cast when they are read.
  const bool widened = original == context.half && BitsOf(compute) > BitsOf(original) &&
                       resolved.compute_by_rule && elements > kFewElements;
  const bool half_output =
      context.output.defaults.compute &&
      (IsHalf(*context.output.defaults.compute) || *context.output.defaults.compute == kAsInSource);
  if (widened && half_output) return {original, kWeightsField, "its type in the source"};
  return {compute, kComputeField | kWeightsField, "the arithmetic that reads it"};
}

constexpr char kGradients[] = "the calibration, which has gradients of what meets the weight,";
constexpr char kNoStatistics[] = "the calibration, which lacks what meets the weight,";

// As it is asked for, where the form lets a method choose and the method has what it reads.
methods::Choice ChooseMethod(const PlanContext& context, const WeightUse& use, const Stored& stored,
                             methods::Method method) {
  if (!stored.form->takes_method) return {};
  if (method == methods::Method::kLattice) return {methods::Method::kSearch, ""};
  if (!methods::RowOf(method).reads_moments) return {method, ""};
  const std::string statistic = StatisticOf(context, use);
  if (statistic.empty()) return {methods::Method::kSearch, ""};
  const auto& gradients = context.evidence.calibration->gradients;
  const auto gradient = gradients.find(use.reader.node);
  return {method, statistic, gradient == gradients.end() ? "" : gradient->second};
}

bool ScalesIntegers(const onnx::NodeProto& node) {
  return node.op_type() == "DequantizeLinear" || node.op_type() == "QuantizeLinear";
}

// Whether codes are asked for: scales of codes and single numbers are no weights.
bool AsksForCodes(const PlanContext& context, const Subject& subject, const Resolved& resolved,
                  const WeightUse& use) {
  const onnx::NodeProto& reader = *context.graph().node(use.reader.node).proto;
  return !resolved.weights.IsFloat() && ElementsOf(subject.reading->dims) > 1 &&
         !HoldsCodes(reader) && !ScalesIntegers(reader);
}

// Of a float copy. The last says the type that it has.
Reasons ReasonsFor(ElementType original, const Resolved& resolved, const FloatChoice& choice,
                   const WeightCopy& copy) {
  FieldSet fields = choice.fields;
  if (!copy.left.empty()) fields |= kWeightsField;
  if (IsHalf(copy.format.type)) fields |= kOverflowField;
  Reasons why = OnlyFor(fields, resolved.why);
  const std::string effect = absl::StrCat("weights: ", ToString(copy.format));
  if (!copy.left.empty()) {
    why.push_back({absl::StrCat("what codes cannot hold (", copy.left, ")"), effect});
    return why;
  }
  const ElementType said = resolved.weights.type == kAsInSource ? original : resolved.weights.type;
  const bool holds = resolved.weights.IsFloat() && said == copy.format.type;
  if (choice.because[0] != '\0' && (!holds || why.empty())) why.push_back({choice.because, effect});
  return why;
}

}  // namespace

Subject SubjectOfUse(const PlanContext& context, std::size_t use_index) {
  const WeightUse& use = context.analysis.weight_uses[use_index];
  const NodeId node = use.reader.node;
  Subject subject = SubjectOf(context, node);
  subject.weight = context.graph().value(use.weight).name;
  subject.reading = ReadingOf(context, use);
  subject.calibrated = !StatisticOf(context, use).empty();
  subject.lattice = HoldsLattice(context, use.weight);
  subject.turns = context.analysis.rope.cache_of.contains(use.weight);
  // The readings of one constant stand side by side.
  const std::vector<WeightUse>& uses = context.analysis.weight_uses;
  subject.shared = (use_index > 0 && uses[use_index - 1].weight == use.weight) ||
                   (use_index + 1 < uses.size() && uses[use_index + 1].weight == use.weight);
  subject.stores =
      !HoldsCodes(*context.graph().node(node).proto) &&
      context.Traits(node).inputs[static_cast<std::size_t>(use.reader.input)] == SlotRule::kFollows;
  return subject;
}

WeightCopy CopyFor(const PlanContext& context, const IdVector<NodePlan>& nodes,
                   const std::vector<int>& exponents, std::size_t use_index,
                   SettingsResolver& resolver) {
  const WeightUse& use = context.analysis.weight_uses[use_index];
  const std::vector<std::int64_t> dims = *ConstantShape(context.graph(), use.weight);
  const Subject subject = SubjectOfUse(context, use_index);
  const Resolved resolved = resolver.Resolve({&subject, 1});
  WeightCopy copy;
  copy.uses = {use_index};
  copy.overflow = resolved.overflow;
  copy.exponent = exponents[use_index];
  if (!resolved.weights.IsFloat()) {
    FormatFit fit = FitOf(context, nodes, resolved, subject, use.reader.node);
    if (fit.ok()) {
      fit.reason = WhyAlone(context, nodes, use, fit.stored, resolver);
      if (!fit.reason.empty()) fit.stored.form = nullptr;
    }
    if (fit.ok()) {
      const TakenLattice lattice =
          TakeLattice(context, use, TypedReading(context, nodes, subject, use.reader.node),
                      resolved, copy.exponent, fit.stored);
      copy.choice =
          lattice.taken ? lattice.choice : ChooseMethod(context, use, fit.stored, resolved.method);
      copy.format = fit.stored.format;
      copy.readers = {fit.stored.form};
      copy.bytes = BytesOf(fit.stored);
      copy.stored = std::move(fit.stored);
      copy.in_main = true;
      copy.tie = resolved.tie;
      copy.why = OnlyFor(kWeightsField | kMethodField | kTieField, resolved.why);
      if (lattice.why) {
        copy.why.push_back(*lattice.why);
      } else if (copy.stored.form->takes_method && copy.choice.method != resolved.method) {
        copy.why.push_back(
            {kNoStatistics, absl::StrCat("method: ", RowOf(copy.choice.method).word)});
      }
      if (!copy.choice.gradient.empty()) {
        copy.why.push_back({kGradients, "half of its moments: weighed by gradients"});
      }
      return copy;
    }
    if (AsksForCodes(context, subject, resolved, use)) copy.left = std::move(fit.reason);
  }
  const FloatChoice choice = ChooseFloat(context, nodes, resolved, use_index);
  copy.format.type = choice.type;
  copy.why = ReasonsFor(context.OriginalType(use.weight), resolved, choice, copy);
  copy.bytes = ElementsOf(dims) * static_cast<std::uint64_t>(BitsOf(copy.format.type)) / 8;
  const Value& weight = context.graph().value(use.weight);
  const bool main_initializer = weight.initializer != nullptr && weight.scope == kMainScope;
  copy.in_main = main_initializer || (ConstantTensor(context.graph(), use.weight) != nullptr &&
                                      copy.bytes >= kLargeConstant);
  return copy;
}

namespace {

// The float copy keeps the constant's name, of several that which is not scaled, then the float32
// one; names of codes are as their form has them.
void NameCopies(const Graph& graph, ValueNames& names, WeightPlan& weight) {
  const std::string& name = graph.value(weight.weight).name;
  const WeightCopy* owner = nullptr;
  for (const WeightCopy& copy : weight.copies) {
    if (!copy.format.IsFloat()) continue;
    const auto rank = [](const WeightCopy& one) {
      return (one.exponent == 0 ? 2 : 0) + (one.format.type == ElementType::kFloat ? 1 : 0);
    };
    if (owner == nullptr || rank(copy) > rank(*owner)) owner = &copy;
  }
  for (WeightCopy& copy : weight.copies) {
    if (&copy == owner) {
      // Moved to the main graph, two constants of different bodies must not share a name.
      const bool free = !copy.in_main || !names.shared.contains(name);
      copy.names = {free ? name : names.taken.Take(name)};
    } else if (copy.format.IsFloat()) {
      copy.names = {names.taken.Take(
          absl::StrCat(name, copy.exponent == 0 ? "" : "_scaled", "_", NameOf(copy.format.type)))};
    } else {
      for (const StoredTensor& tensor : copy.stored.form->tensors(copy.stored)) {
        copy.names.push_back(names.taken.Take(absl::StrCat(name, tensor.suffix)));
      }
    }
  }
}

// Whether readers of both read one set of codes.
bool Tied(const WeightCopy& a, const WeightCopy& b) {
  return SameCodes(a.stored, b.stored) && ((a.tie && b.tie) || a.stored.form == b.stored.form);
}

// Of two words for the same codes the copy is stored as that one's form which is the first in the
// table, for the reasons of both: of that one last.
void TakeFirstForm(const WeightCopy& other, WeightCopy& copy) {
  copy.choice = methods::Later(copy.choice, other.choice);
  if (other.format == copy.format) {
    copy.stored = FirstInTable(copy.stored, other.stored);
    return;
  }
  Reasons first = other.why;
  Reasons last = copy.why;
  if (&FirstInTable(copy.stored, other.stored) == &other.stored) {
    copy.stored = other.stored;
    copy.format = other.format;
    std::swap(first, last);
  }
  copy.why = std::move(first);
  copy.why.insert(copy.why.end(), last.begin(), last.end());
}

}  // namespace

void PlanWeights(const PlanContext& context, const std::vector<int>& exponents,
                 SettingsResolver& resolver, ValueNames& names, OutputPlan& plan) {
  for (std::size_t i = 0; i < context.analysis.weight_uses.size(); ++i) {
    const ValueId id = context.analysis.weight_uses[i].weight;
    if (plan.weights.empty() || plan.weights.back().weight != id) {
      plan.weights.push_back({id, {}});
    }
    WeightCopy copy = CopyFor(context, plan.nodes, exponents, i, resolver);
    TakeRopeForm(context.graph(), id, plan.rope, copy);
    std::vector<WeightCopy>& copies = plan.weights.back().copies;
    const auto same = std::find_if(copies.begin(), copies.end(), [&copy](const WeightCopy& other) {
      return (copy.format.IsFloat() ? other.format == copy.format : Tied(other, copy)) &&
             other.in_main == copy.in_main && other.exponent == copy.exponent;
    });
    if (same == copies.end()) {
      copies.push_back(std::move(copy));
    } else {
      same->uses.push_back(i);
      same->readers.insert(same->readers.end(), copy.readers.begin(), copy.readers.end());
      if (same->left.empty() && !copy.left.empty()) {
        same->left = std::move(copy.left);
        same->why.push_back(copy.why.back());
      }
      TakeFirstForm(copy, *same);
    }
  }
  // A Transpose between a constant and its readers runs in the stored type; of several copies
  // behind it, in that of most digits, from which the others are cast.
  absl::flat_hash_set<NodeId> decided;
  SharedReasons reasons;
  for (WeightPlan& weight : plan.weights) {
    NameCopies(context.graph(), names, weight);
    for (WeightCopy& copy : weight.copies) {
      if (copy.exponent != 0) {
        copy.why.push_back({absl::StrCat("scaling the residual stream, for '", copy.names[0], "',"),
                            absl::StrCat("values: × 2^", copy.exponent)});
      }
      if (!copy.format.IsFloat()) continue;
      for (const std::size_t use : copy.uses) {
        for (const NodeId link : context.analysis.weight_uses[use].chain) {
          NodePlan& node = plan.nodes[link];
          if (context.Traits(link).float_cast) continue;
          const bool first = decided.insert(link).second;
          if (first || BitsOf(copy.format.type) > BitsOf(node.compute)) {
            SetCompute(copy.format.type, "the stored form of what it reads", reasons, node);
          }
        }
      }
    }
  }
}

}  // namespace onnxquant
