#include "lib/policy/plan_rope.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/policy/plan_weights.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {
namespace {

using Kind = RopeCacheSetting::Kind;

// What the policy says of the readings of both tables.
struct Asked {
  RopeCacheSetting setting;
  bool differs = false;  // from reading to reading
};

Asked AskPolicy(const PlanContext& context, const RopeCache& cache, SettingsResolver& resolver) {
  Asked asked;
  for (const std::size_t use : cache.uses) {
    const Subject subject = SubjectOfUse(context, use);
    const RopeCacheSetting setting = resolver.Resolve({&subject, 1}).rope_cache;
    if (use == cache.uses.front()) asked.setting = setting;
    if (setting == asked.setting) continue;
    asked.differs = true;
    if (asked.setting.kind == Kind::kKeep) asked.setting = setting;
  }
  return asked;
}

// Why the tables stay; "" when they need not.
std::string WhyLeft(const RopeCache& cache, const RopeFit* fit, const Asked& asked,
                    std::int64_t rows) {
  if (!cache.refusal.empty()) return cache.refusal;
  if (asked.differs) return "the policy does not say the same for all that read them";
  const std::int64_t positions = asked.setting.positions;
  if (positions > rows) return absl::StrCat("they have ", rows, " rows");
  if (asked.setting.kind == Kind::kComputed) {
    return fit == nullptr ? "their values are not at hand" : fit->reason;
  }
  return positions == rows ? absl::StrCat("they have ", rows, " rows") : "";
}

class Planner {
 public:
  Planner(const PlanContext& context, ValueNames& names, RopePlan& plan)
      : context_(context), names_(names), plan_(plan) {}

  void Add(const RopeCache& cache, const RopeFit* fit, const Asked& asked) {
    const ValueId any = cache.cosines == kNone ? cache.sines : cache.cosines;
    const std::vector<std::int64_t> dims = *ConstantShape(context_.graph(), any);
    const std::int64_t rows = dims.empty() ? 0 : dims[0];
    RopeTablePlan table;
    table.positions = asked.setting.positions == 0 ? rows : asked.setting.positions;
    table.left = WhyLeft(cache, fit, asked, rows);
    if (table.left.empty() && asked.setting.kind == Kind::kComputed) {
      table.angles = AnglesOf(*fit, table.positions, cache.cosines);
      table.factor = fit->factor;
      plan_.difference = std::max(plan_.difference, fit->difference);
    }
    for (const ValueId id : {cache.cosines, cache.sines}) {
      if (id == kNone) continue;
      table.sines = id == cache.sines;
      plan_.tables[id] = table;
    }
  }

 private:
  int AnglesOf(const RopeFit& fit, std::int64_t positions, ValueId table) {
    for (std::size_t i = 0; i < plan_.angles.size(); ++i) {
      const RopeAngles& other = plan_.angles[i];
      if (other.frequencies == fit.frequencies && other.positions == positions) {
        return static_cast<int>(i);
      }
    }
    RopeAngles angles;
    angles.name =
        names_.taken.Take(absl::StrCat(context_.graph().value(table).name, "_frequencies"));
    angles.frequencies = fit.frequencies;
    angles.positions = positions;
    angles.table = table;
    plan_.angles.push_back(std::move(angles));
    return static_cast<int>(plan_.angles.size()) - 1;
  }

  const PlanContext& context_;
  ValueNames& names_;
  RopePlan& plan_;
};

std::string Difference(double difference) {
  return absl::StrFormat("%.2g", difference);
}

Reason Explain(const RopePlan& rope, const RopeTablePlan& table) {
  if (!table.left.empty()) {
    return {absl::StrCat("what the tables are (", table.left, ")"), "rope_cache: keep"};
  }
  if (table.angles == kNone) {
    return {"the number of positions", absl::StrCat("rows: ", table.positions)};
  }
  return {"the formula that gives what the tables hold",
          absl::StrCat("rope_cache: computed from '",
                       rope.angles[static_cast<std::size_t>(table.angles)].name, "' for ",
                       table.positions, " positions")};
}

std::string Count(std::size_t count, const char* one, const char* many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

}  // namespace

void KeepAngles(const PlanContext& context, ResolvedNodes& resolved, OutputPlan& plan) {
  SharedReasons reasons;
  for (const NodeId id : context.analysis.rope.makers) {
    NodePlan& node = plan.nodes[id];
    if (!node.changes || !IsHalf(node.compute)) continue;
    SetCompute(ElementType::kFloat,
               "the table of a rotary embedding that it makes (16 bits do not hold the angles of "
               "far positions)",
               reasons, node);
    resolved.movers[id] = false;
  }
}

void PlanRope(const PlanContext& context, SettingsResolver& resolver, ValueNames& names,
              OutputPlan& plan) {
  Planner planner(context, names, plan.rope);
  const std::vector<RopeCache>& caches = context.analysis.rope.caches;
  for (std::size_t i = 0; i < caches.size(); ++i) {
    const Asked asked = AskPolicy(context, caches[i], resolver);
    if (asked.setting.kind == Kind::kKeep) continue;
    const RopeFit* fit = i < context.rope_fits.size() ? &context.rope_fits[i] : nullptr;
    planner.Add(caches[i], fit, asked);
  }
}

void TakeRopeForm(const Graph& graph, ValueId weight, const RopePlan& rope, WeightCopy& copy) {
  const auto found = rope.tables.find(weight);
  if (found == rope.tables.end() || !found->second.left.empty()) return;
  const RopeTablePlan& table = found->second;
  const std::uint64_t whole = copy.bytes;
  copy.in_main = true;
  if (table.angles == kNone) {
    copy.rows = table.positions;
    const std::int64_t rows = ConstantShape(graph, weight)->front();
    copy.bytes =
        whole / static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(table.positions);
  } else {
    const RopeAngles& angles = rope.angles[static_cast<std::size_t>(table.angles)];
    copy.made = true;
    copy.left.clear();
    copy.format = WeightFormat{.type = ElementType::kFloat};
    copy.bytes = angles.table == weight ? angles.frequencies.size() * sizeof(float) : 0;
  }
  copy.spared = whole > copy.bytes ? whole - copy.bytes : 0;
}

void SettleRope(const PlanContext& context, OutputPlan& plan) {
  std::map<std::tuple<int, bool, float>, std::vector<std::string>> made;
  std::size_t trimmed = 0;
  std::size_t computed = 0;
  std::uint64_t spared = 0;
  std::vector<std::string> left;
  for (WeightPlan& weight : plan.weights) {
    const auto found = plan.rope.tables.find(weight.weight);
    if (found == plan.rope.tables.end()) continue;
    const RopeTablePlan& table = found->second;
    for (WeightCopy& copy : weight.copies) {
      copy.why.push_back(Explain(plan.rope, table));
      spared += copy.spared;
      if (!copy.made) continue;
      copy.names =
          made.try_emplace({table.angles, table.sines, table.factor}, copy.names).first->second;
    }
    if (!table.left.empty()) {
      left.push_back(
          absl::StrCat("'", context.graph().value(weight.weight).name, "' stays: ", table.left));
    }
    trimmed += table.left.empty() && table.angles == kNone ? 1 : 0;
    computed += table.left.empty() && table.angles != kNone ? 1 : 0;
  }
  std::vector<std::string> parts;
  if (computed > 0) {
    parts.push_back(absl::StrCat(Count(computed, "table", "tables"), " computed from ",
                                 Count(plan.rope.angles.size(), "set", "sets"),
                                 " of frequencies, within ", Difference(plan.rope.difference),
                                 " of the stored values"));
  }
  if (trimmed > 0) {
    parts.push_back(absl::StrCat(Count(trimmed, "table", "tables"), " stored in part"));
  }
  if (spared > 0) parts.push_back(absl::StrCat(spared, " bytes less"));
  parts.insert(parts.end(), left.begin(), left.end());
  const std::optional<RopeCacheSetting>& by_default = context.output.defaults.rope_cache;
  if (parts.empty() && by_default && by_default->kind != Kind::kKeep) {
    parts.emplace_back("no rotary embedding reads a constant table");
  }
  if (!parts.empty()) plan.rope_cache = absl::StrCat("rotary: ", absl::StrJoin(parts, "; "));
}

}  // namespace onnxquant
