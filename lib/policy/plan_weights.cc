#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/ranks.h"
#include "lib/formats/formats.h"
#include "lib/policy/plan_maker.h"

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

}  // namespace

// The node itself, or one of its constants.
Subject PlanMaker::SubjectOf(NodeId node, std::optional<std::size_t> use_index) const {
  const NodeRole& role = analysis_.roles.nodes[static_cast<std::size_t>(node)];
  Subject subject;
  subject.role = NameOf(role.role);
  subject.op = analysis_.graph.OpName(node);
  subject.name = analysis_.graph.node(node).proto->name();
  subject.layer = role.layer;
  subject.layers = analysis_.roles.layers;
  subject.hazards = HazardsOf(analysis_.hazards, node);
  subject.peak = PeakOf(node);
  subject.computes = Traits(node).CanChange();
  subject.sums = role.role == Role::kResidual || IsSkipNorm(analysis_.graph, node);
  const bool holds_codes = HoldsCodes(*analysis_.graph.node(node).proto);
  subject.levels = holds_codes;
  if (!use_index) return subject;
  const WeightUse& use = analysis_.weight_uses[*use_index];
  subject.weight = analysis_.graph.value(use.weight).name;
  subject.reading = ReadingOf(*use_index);
  subject.stores =
      !holds_codes &&
      Traits(node).inputs[static_cast<std::size_t>(use.reader.input)] == SlotRule::kFollows;
  return subject;
}

// A Gather, Transpose … whose only float input is a constant: it runs in the type that the constant
// is stored in, and its (smaller) output is cast, never the table.
bool PlanMaker::MovesAConstant(std::size_t use_index) const {
  const WeightUse& use = analysis_.weight_uses[use_index];
  const NodeTraits& traits = Traits(use.reader.node);
  return traits.moves_data && traits.CanChange() &&
         std::count(traits.inputs.begin(), traits.inputs.end(), SlotRule::kFollows) == 1 &&
         traits.inputs[static_cast<std::size_t>(use.reader.input)] == SlotRule::kFollows;
}

void PlanMaker::DecideStoredMovers() {
  for (std::size_t i = 0; i < analysis_.weight_uses.size(); ++i) {
    for (const NodeId link : analysis_.weight_uses[i].chain) {
      floating_[static_cast<std::size_t>(link)] = false;
      stored_[static_cast<std::size_t>(analysis_.graph.node(link).outputs[0])] = true;
    }
    if (!MovesAConstant(i)) continue;
    const NodeId reader = analysis_.weight_uses[i].reader.node;
    floating_[static_cast<std::size_t>(reader)] = false;
    const WeightCopy copy = CopyFor(i);
    PlanOf(reader).compute = copy.format.IsFloat() ? copy.format.type : copy.stored.scale;
  }
}

// The reading as a format judges it. Scales whose type the reader leaves open are in 16 bits where
// the output's arithmetic is: they lose less by it than the codes do.
WeightReading PlanMaker::ReadingOf(std::size_t use_index) const {
  const WeightUse& use = analysis_.weight_uses[use_index];
  WeightReading reading;
  reading.node = analysis_.graph.node(use.reader.node).proto;
  reading.op = analysis_.graph.OpName(use.reader.node);
  reading.input = use.reader.input;
  reading.follows = Traits(use.reader.node).inputs[static_cast<std::size_t>(use.reader.input)] ==
                    SlotRule::kFollows;
  reading.dims = *ConstantShape(analysis_.graph, use.weight);
  reading.transposed = use.transposed;
  const NodeId reader = use.reader.node;
  if (reading.dims.size() == 3) {
    reading.other_rank = RankOf(analysis_.graph, analysis_.graph.node(reader).inputs[0]);
  }
  reading.compute = PlanOf(use.reader.node).compute;
  const bool half = output_.defaults.compute == ElementType::kFloat16;
  reading.scale = half ? ElementType::kFloat16 : reading.compute;
  return reading;
}

// The float type in which a constant is stored that its reader's slot lets change.
ElementType PlanMaker::StoredType(const Resolved& resolved, std::size_t use_index) const {
  const WeightUse& use = analysis_.weight_uses[use_index];
  const ElementType original = OriginalType(use.weight);
  const ElementType compute = PlanOf(use.reader.node).compute;
  const std::uint64_t elements = ElementsOf(*ConstantShape(analysis_.graph, use.weight));
  // Scales belong to their codes, and have the type that the operator computes in. And a scalar is
  // no weight: storing it in fewer bits saves nothing.
  if (elements <= 1 || HoldsCodes(*analysis_.graph.node(use.reader.node).proto)) return compute;
  if (resolved.weights_by_rule && resolved.weights.IsFloat()) {
    return resolved.weights.type == kAsInSource ? original : resolved.weights.type;
  }
  const std::optional<WeightFormat>& by_default = output_.defaults.weights;
  if (by_default && by_default->IsFloat() && by_default->type == kAsInSource) {
    return elements <= kFewElements ? compute : original;
  }
  // A rule that has the node compute in more bits says nothing of how its weights are stored. In an
  // output of 16-bit arithmetic they stay in 16 bits, and are cast when they are read.
  const bool widened = original == plan_.half && BitsOf(compute) > BitsOf(original) &&
                       resolved.compute_by_rule && elements > kFewElements;
  const bool half_output = output_.defaults.compute && (IsHalf(*output_.defaults.compute) ||
                                                        *output_.defaults.compute == kAsInSource);
  return widened && half_output ? original : compute;
}

WeightCopy PlanMaker::CopyFor(std::size_t use_index) {
  const WeightUse& use = analysis_.weight_uses[use_index];
  const std::vector<std::int64_t> dims = *ConstantShape(analysis_.graph, use.weight);
  const std::vector<Subject> subject = {SubjectOf(use.reader.node, use_index)};
  const Resolved resolved = resolver_.Resolve(subject);
  WeightCopy copy;
  copy.uses = {use_index};
  copy.overflow = resolved.overflow;
  copy.exponent = exponents_[use_index];
  const SlotRule slot = Traits(use.reader.node).inputs[static_cast<std::size_t>(use.reader.input)];
  if (!resolved.weights.IsFloat()) {
    const FormatFit fit = FindFit(resolved.weights, *subject[0].reading, resolved.weights_by_rule);
    if (fit.ok()) {
      copy.format = resolved.weights;
      copy.stored = fit.stored;
      copy.in_main = true;
      copy.bytes = BytesOf(fit.stored);
      return copy;
    }
  }
  copy.format.type = slot == SlotRule::kFollows   ? StoredType(resolved, use_index)
                     : slot == SlotRule::kFloat32 ? ElementType::kFloat
                                                  : OriginalType(use.weight);
  copy.bytes = ElementsOf(dims) * static_cast<std::uint64_t>(BitsOf(copy.format.type)) / 8;
  const Value& weight = analysis_.graph.value(use.weight);
  const bool main_initializer = weight.initializer != nullptr && weight.scope == kMainScope;
  copy.in_main = main_initializer || (ConstantTensor(analysis_.graph, use.weight) != nullptr &&
                                      copy.bytes >= kLargeConstant);
  return copy;
}

std::string PlanMaker::UniqueName(const std::string& wanted) {
  return taken_names_.Take(wanted);
}

// The float copy keeps the constant's name, of several that which is not scaled, then the float32
// one; names of codes are as their form has them.
void PlanMaker::NameCopies(WeightPlan& weight) {
  const std::string& name = analysis_.graph.value(weight.weight).name;
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
      const bool free = !copy.in_main || !shared_names_.contains(name);
      copy.names = {free ? name : UniqueName(name)};
    } else if (copy.format.IsFloat()) {
      copy.names = {UniqueName(
          absl::StrCat(name, copy.exponent == 0 ? "" : "_scaled", "_", NameOf(copy.format.type)))};
    } else {
      for (const StoredTensor& tensor : copy.stored.form->tensors(copy.stored)) {
        copy.names.push_back(UniqueName(absl::StrCat(name, tensor.suffix)));
      }
    }
  }
}

void PlanMaker::PlanWeights() {
  for (std::size_t i = 0; i < analysis_.weight_uses.size(); ++i) {
    const ValueId id = analysis_.weight_uses[i].weight;
    if (plan_.weights.empty() || plan_.weights.back().weight != id) {
      plan_.weights.push_back({id, {}, {}});
      const std::vector<Subject> subject = {SubjectOf(analysis_.weight_uses[i].reader.node, i)};
      plan_.weights.back().why = resolver_.Resolve(subject).why;
    }
    WeightCopy copy = CopyFor(i);
    std::vector<WeightCopy>& copies = plan_.weights.back().copies;
    const auto same = std::find_if(copies.begin(), copies.end(), [&copy](const WeightCopy& other) {
      return (copy.format.IsFloat() ? other.format == copy.format
                                    : SameCodes(other.stored, copy.stored)) &&
             other.in_main == copy.in_main && other.exponent == copy.exponent;
    });
    if (same == copies.end()) {
      copies.push_back(std::move(copy));
    } else {
      same->uses.push_back(i);
      same->stored = FirstInTable(same->stored, copy.stored);
    }
  }
  // A Transpose between a constant and its readers runs in the stored type; of several copies
  // behind it, in that of most digits, from which the others are cast.
  absl::flat_hash_set<NodeId> decided;
  for (WeightPlan& weight : plan_.weights) {
    NameCopies(weight);
    for (const WeightCopy& copy : weight.copies) {
      if (copy.exponent != 0) {
        weight.why.push_back(
            {absl::StrCat("scaling the residual stream, for '", copy.names[0], "',"),
             absl::StrCat("values: × 2^", copy.exponent)});
      }
      if (!copy.format.IsFloat()) continue;
      for (const std::size_t use : copy.uses) {
        for (const NodeId link : analysis_.weight_uses[use].chain) {
          ElementType& compute = PlanOf(link).compute;
          if (Traits(link).float_cast) continue;
          const bool first = decided.insert(link).second;
          if (first || BitsOf(copy.format.type) > BitsOf(compute)) compute = copy.format.type;
        }
      }
    }
  }
}

}  // namespace onnxquant
