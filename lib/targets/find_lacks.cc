#include "lib/targets/find_lacks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/schema/domain.h"
#include "lib/targets/facts.h"
#include "lib/targets/kernels.h"

namespace onnxquant {
namespace {

using TypeSet = std::vector<ElementType>;

std::string Names(const TypeSet& types) {
  return absl::StrJoin(types, " or ", [](std::string* out, ElementType type) {
    absl::StrAppend(out, NameOf(type));
  });
}

// The float types of what the node reads and makes, each once.
TypeSet FloatTypes(const Graph& graph, const ValueTypes& types, NodeId id) {
  TypeSet found;
  const auto take = [&](ValueId value) {
    if (value == kNone || !IsFloat(types[value])) return;
    if (std::find(found.begin(), found.end(), types[value]) == found.end()) {
      found.push_back(types[value]);
    }
  };
  for (const ValueId value : graph.node(id).inputs) take(value);
  for (const ValueId value : graph.node(id).outputs) take(value);
  return found;
}

// What is known of one node at one set of kernels.
struct Finding {
  Outcome outcome = Outcome::kMissing;
  Lack lack;
};

class Finder {
 public:
  Finder(const Graph& graph, const ValueTypes& types, const Target& target)
      : graph_(graph), types_(types), target_(target), opset_(OpsetOf(graph)) {
    for (const Fact& fact : Facts()) {
      if (fact.HoldsIn(target.runtime)) facts_[fact.op].push_back(&fact);
    }
  }

  PlaceLacks At(const Place& place) const {
    PlaceLacks lacks{&place, {}, {}};
    for (const NodeId id : graph_.order()) {
      std::optional<Finding> found = AtKernels(place.kernels, id);
      if (!found) continue;
      if (found->outcome == Outcome::kMissing && !place.beside.empty()) {
        std::optional<Finding> beside = AtKernels(place.beside, id);
        if (!beside) {
          found->lack.beside = true;
          lacks.beside.push_back(std::move(found->lack));
          continue;
        }
        found = std::move(beside);
      }
      lacks.refused.push_back(std::move(found->lack));
    }
    return lacks;
  }

 private:
  std::optional<Finding> AtKernels(absl::string_view kernels, NodeId id) const {
    const std::string& op = graph_.OpName(id);
    if (const auto known = facts_.find(op); known != facts_.end()) {
      const NodeSight sight(graph_, types_, id);
      for (const Fact* fact : known->second) {
        if (fact->kernels != kernels) continue;
        if (fact->when != nullptr && !fact->when(sight)) continue;
        return Finding{fact->outcome,
                       {id, fact->outcome == Outcome::kMisplaced, std::string(fact->name),
                        std::string(fact->found), std::string(fact->expected),
                        std::string(fact->remedy), std::string(fact->says)}};
      }
    }
    for (const ElementType type : FloatTypes(graph_, types_, id)) {
      const KernelAnswer answer = AskKernels(kernels, target_.runtime, op, opset_, type);
      if (!answer.known || answer.runs) continue;
      const auto takes = [&answer](ElementType each) {
        return std::find(answer.takes.begin(), answer.takes.end(), each) != answer.takes.end();
      };
      const bool brain = type == ElementType::kBFloat16 && takes(ElementType::kFloat16);
      return Finding{
          Outcome::kMissing,
          {id, false, "", NameOf(type),
           answer.takes.empty() ? "no float type: there is no kernel" : Names(answer.takes),
           brain ? "compute: float16 in place of bfloat16"
           : takes(ElementType::kFloat)
               ? absl::StrCat("match: {op: ", Quoted(op), "}, compute: float32")
               : "another export of the model, which does without it",
           absl::StrCat("Could not find an implementation for ", op)}};
    }
    return std::nullopt;
  }

  static std::string Quoted(const std::string& op) {
    return absl::StrContains(op, "::") ? absl::StrCat("'", op, "'") : op;
  }

  const Graph& graph_;
  const ValueTypes& types_;
  const Target& target_;
  const int opset_;
  absl::flat_hash_map<absl::string_view, std::vector<const Fact*>> facts_;
};

bool Takes(const Place& place, Version version, const std::string& op, int opset,
           ElementType type) {
  const KernelAnswer answer = AskKernels(place.kernels, version, op, opset, type);
  return !answer.known || answer.runs;
}

}  // namespace

int OpsetOf(const Graph& graph) {
  for (const auto& import : graph.model().opset_import()) {
    if (IsOnnxDomain(import.domain())) return static_cast<int>(import.version());
  }
  return 1;
}

std::vector<PlaceLacks> FindLacks(const Graph& graph, const ValueTypes& types,
                                  const Target& target) {
  const Finder finder(graph, types, target);
  std::vector<PlaceLacks> all;
  for (const Place& place : target.row->places) all.push_back(finder.At(place));
  return all;
}

std::string WhyNotHalf(const Target& target, const std::string& op, int opset, ElementType half) {
  for (const Place& place : target.row->places) {
    if (Takes(place, target.runtime, op, opset, half)) continue;
    const KernelAnswer single =
        AskKernels(place.kernels, target.runtime, op, opset, ElementType::kFloat);
    if (!single.known || !single.runs) continue;
    return absl::StrCat("it has a ", op, " of float32, and none of ", NameOf(half));
  }
  return "";
}

}  // namespace onnxquant
