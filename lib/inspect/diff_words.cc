#include "lib/inspect/diff_words.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "lib/inspect/diff_facts.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr std::size_t kNamesSaid = 4;

int Total(const Counts& counts) {
  int total = 0;
  for (const auto& [unused, count] : counts) total += count;
  return total;
}

// "all 36 in float16", "34 in float16 and 2 in float32", "none".
std::string InWords(const Counts& counts, const char* preposition) {
  if (counts.empty()) return "none";
  std::vector<std::string> parts;
  for (const auto& [type, count] : counts) {
    parts.push_back(absl::StrCat(count, " ", preposition, " ", type));
  }
  if (parts.size() > 1) return absl::StrJoin(parts, " and ");
  const int only = counts.begin()->second;
  return absl::StrCat(only > 1 ? "all " : "", parts.front());
}

// "a, b and c".
std::string List(std::vector<std::string> names) {
  if (names.size() > kNamesSaid + 1) {
    const std::size_t more = names.size() - kNamesSaid;
    names.resize(kNamesSaid);
    names.push_back(absl::StrCat(more, " more"));
  }
  if (names.size() < 2) return names.empty() ? "" : names.front();
  const std::string last = names.back();
  names.pop_back();
  return absl::StrCat(absl::StrJoin(names, ", "), " and ", last);
}

// "in B, all 36 norms run in float16 (A: float32)", or both sides' counts where they are mixed.
std::string Compared(const char* noun, const char* verb, const char* preposition, const Counts& a,
                     const Counts& b) {
  if (a.size() == 1 && b.size() == 1 && Total(a) == Total(b)) {
    return absl::StrCat("in B, ", Total(b) > 1 ? absl::StrCat("all ", Total(b), " ") : "", noun,
                        " ", verb, " ", preposition, " ", b.begin()->first,
                        " (A: ", a.begin()->first, ")");
  }
  return absl::StrCat(noun, " in B: ", InWords(b, preposition), " (A: ", InWords(a, preposition),
                      ")");
}

bool Has(const Counts& counts, const char* type) {
  return counts.find(type) != counts.end();
}

// The power of two by which the second weight is the first, but for rounding; 0 where it is not.
int ExponentOf(const WeightDifference& row) {
  constexpr double kSameDirection = 0.99999;
  constexpr double kRounding = 0.01;
  if (!row.measured || row.cosine < kSameDirection || row.scale <= 0) return 0;
  const double exponent = std::log2(row.scale);
  return std::abs(exponent - std::round(exponent)) < kRounding
             ? static_cast<int>(std::lround(exponent))
             : 0;
}

class Words {
 public:
  Words(const Analysis& first, const Analysis& second, const ModelDiff& diff)
      : first_(first), second_(second), diff_(diff), a_(FactsOf(first)), b_(FactsOf(second)) {}

  std::vector<std::string> Run() {
    MixedNorms();
    Sums();
    ScaledWeights();
    Clips();
    Norms();
    Arithmetic();
    Stored();
    Interface();
    Versions();
    Operators();
    Weights();
    const std::string bytes = GraphBytesWords(diff_.first_bytes, diff_.second_bytes);
    if (!bytes.empty()) Say(bytes);
    return std::move(said_);
  }

 private:
  template <typename... Parts>
  void Say(const Parts&... parts) {
    said_.push_back(absl::StrCat(parts...));
  }

  void MixedNorms() {
    MixedNormsOnlyIn("A", a_.mixed_norms, "B", b_.mixed_norms);
    MixedNormsOnlyIn("B", b_.mixed_norms, "A", a_.mixed_norms);
  }

  void MixedNormsOnlyIn(const char* name, const std::vector<MixedNorm>& norms, const char* other,
                        const std::vector<MixedNorm>& others) {
    std::vector<const MixedNorm*> found;
    for (const MixedNorm& norm : norms) {
      const bool both = std::any_of(others.begin(), others.end(), [&norm](const MixedNorm& one) {
        return one.node == norm.node && one.input == norm.input && one.scale == norm.scale;
      });
      if (!both) found.push_back(&norm);
    }
    if (found.empty()) return;
    const MixedNorm& norm = *found.back();  // the final one, where it is among them
    const std::string which =
        found.size() > 1
            ? absl::StrCat(found.size(), " norms mix types; the last, '", norm.node, "':")
            : absl::StrCat("the ", norm.final ? "final " : "", "norm '", norm.node,
                           "' mixes types:");
    Say("in ", name, ", ", which, " input ", norm.input, ", scale ", norm.scale, " (not so in ",
        other, "); ONNX Runtime's CPU provider runs such a norm, its WebGPU provider does not");
  }

  void Sums() {
    if (a_.sums != b_.sums) {
      const bool halved = Has(b_.sums, "float16") != Has(a_.sums, "float16");
      const char* where = Has(b_.sums, "float16") ? "B" : "A";
      Say(Compared("residual sums", "run", "in", a_.sums, b_.sums),
          halved ? absl::StrCat("; float16 ends at 65504: a larger sum becomes Inf in ", where,
                                ", and NaN in the norm behind it")
                 : "");
    }
    if (a_.narrowed_sums != b_.narrowed_sums) {
      Say("residual sums that a Cast rounds to a narrower type before the next sum or norm reads ",
          "them, in B: ", InWords(b_.narrowed_sums, "to"), " (A: ", InWords(a_.narrowed_sums, "to"),
          "); such a sum overflows in the Cast, whatever type it was computed in");
    }
  }

  // A stream that is scaled down has its post-norms' gains, or what writes to it, scaled.
  void ScaledWeights() {
    std::map<int, int> exponents;
    for (const WeightDifference& row : diff_.weights) {
      if (const int exponent = ExponentOf(row); exponent != 0) ++exponents[exponent];
    }
    for (const auto& [exponent, count] : exponents) {
      Say(count, count == 1 ? " weight of B is that" : " weights of B are those", " of A times 2^",
          exponent, "; residual sums of what they give are ", exponent < 0 ? "smaller" : "larger",
          " by that factor, which no norm behind them sees");
    }
  }

  void Clips() {
    if (a_.clipped_sums == b_.clipped_sums) return;
    Say("residual sums that a Clip bounds: ", b_.clipped_sums, " in B (A: ", a_.clipped_sums,
        "); what it cuts off is finite, and wrong");
  }

  void Norms() {
    if (a_.norms == b_.norms) return;
    Say(Compared("norms", "run", "in", a_.norms, b_.norms));
  }

  // Roles that differ alike share a sentence.
  using ByRole = std::map<Role, Counts>;
  void ByRoles(const char* what, const char* verb, const char* preposition, const ByRole& a,
               const ByRole& b) {
    std::vector<std::pair<std::string, std::vector<std::string>>> groups;
    for (const RoleName& role : RoleNames()) {
      const auto of = [&role](const ByRole& all) {
        const auto it = all.find(role.role);
        return it == all.end() ? Counts() : it->second;
      };
      const Counts one = of(a);
      const Counts two = of(b);
      const bool plain = one.size() == 1 && two.size() == 1;
      // How many nodes there are says nothing of types.
      if (one == two || (plain && one.begin()->first == two.begin()->first)) continue;
      std::string said = plain ? absl::StrCat(" ", verb, " ", preposition, " ", two.begin()->first,
                                              " (A: ", one.begin()->first, ")")
                               : absl::StrCat(": ", InWords(two, preposition),
                                              " (A: ", InWords(one, preposition), ")");
      const auto same = std::find_if(groups.begin(), groups.end(),
                                     [&said](const auto& group) { return group.first == said; });
      if (same != groups.end()) {
        same->second.push_back(role.name);
      } else {
        groups.emplace_back(std::move(said), std::vector<std::string>{role.name});
      }
    }
    for (const auto& [said, roles] : groups) {
      Say("in B, the ", what, " of ", absl::StrJoin(roles, ", "), said);
    }
  }

  void Arithmetic() { ByRoles("arithmetic", "is", "in", a_.arithmetic, b_.arithmetic); }
  void Stored() { ByRoles("weights", "are stored", "as", a_.stored, b_.stored); }

  void Interface() {
    std::map<std::pair<std::string, std::string>, int> caches;
    std::vector<std::string> others;
    for (const TypeDifference& row : diff_.types) {
      const ValueId id = second_.graph.Find(kMainScope, row.value);
      if (id == kNone) continue;
      const Value& value = second_.graph.value(id);
      if (!value.graph_input && !value.graph_output) continue;
      if (second_.roles.OfValue(id).role == Role::kKvCache) {
        ++caches[{row.first, row.second}];
      } else {
        others.push_back(absl::StrCat(value.graph_input ? "input" : "output", " '", row.value,
                                      "' is ", row.second, " in B (A: ", row.first, ")"));
      }
    }
    for (const auto& [types, count] : caches) {
      Say("the KV cache's ", count, " inputs and outputs are ", types.second,
          " in B (A: ", types.first,
          "); what feeds the model has to know (kv_cache_dtype in Transformers.js)");
    }
    for (const ShapeDifference& row : diff_.shapes) {
      others.push_back(absl::StrCat(row.input ? "input" : "output", " '", row.value, "' is ",
                                    row.second, " in B (A: ", row.first, ")"));
    }
    if (!others.empty()) Say(List(std::move(others)));
    InterfaceOnlyIn("A", first_, second_);
    InterfaceOnlyIn("B", second_, first_);
  }

  void InterfaceOnlyIn(const char* name, const Analysis& one, const Analysis& other) {
    const onnx::GraphProto& graph = one.graph.model().graph();
    const auto only = [](const auto& values, const auto& others) {
      absl::flat_hash_set<absl::string_view> both;
      for (const onnx::ValueInfoProto& value : others) both.insert(value.name());
      std::vector<std::string> names;
      for (const onnx::ValueInfoProto& value : values) {
        if (!both.contains(value.name())) names.push_back(absl::StrCat("'", value.name(), "'"));
      }
      return names;
    };
    const onnx::GraphProto& theirs = other.graph.model().graph();
    const std::vector<std::string> inputs = only(graph.input(), theirs.input());
    const std::vector<std::string> outputs = only(graph.output(), theirs.output());
    if (!inputs.empty()) Say("only ", name, " takes ", List(inputs));
    if (!outputs.empty()) Say("only ", name, " gives ", List(outputs));
  }

  void Versions() {
    for (const auto& import : first_.graph.model().opset_import()) {
      const int version = OpsetOf(second_.graph.model(), import.domain());
      if (version == 0 || version == import.version()) continue;
      Say("B uses opset ", version, " of ",
          IsOnnxDomain(import.domain()) ? "ai.onnx" : import.domain(), " (A: ", import.version(),
          ")");
    }
    const auto one = first_.graph.model().ir_version();
    const auto two = second_.graph.model().ir_version();
    if (one != two) Say("B is of IR version ", two, " (A: ", one, ")");
  }

  void Operators() {
    std::vector<std::string> only_a;
    std::vector<std::string> only_b;
    for (const OpDifference& row : diff_.ops) {
      if (row.second == 0) only_a.push_back(absl::StrCat(row.op, " (", row.first, ")"));
      if (row.first == 0) only_b.push_back(absl::StrCat(row.op, " (", row.second, ")"));
      if (row.op != "Cast" || row.first * row.second == 0) continue;
      const int more = row.second - row.first;
      Say("B has ", std::abs(more), std::abs(more) == 1 ? " Cast node " : " Cast nodes ",
          more > 0 ? "more" : "fewer", " (", row.first, " → ", row.second, ")");
    }
    if (!only_a.empty()) Say("operators that only A has: ", List(std::move(only_a)));
    if (!only_b.empty()) Say("operators that only B has: ", List(std::move(only_b)));
  }

  // Weights that a mere change of type does not explain.
  void Weights() {
    std::size_t same_type = 0;
    const WeightDifference* worst = nullptr;
    for (const WeightDifference& row : diff_.weights) {
      if (row.first != row.second || ExponentOf(row) != 0) continue;
      ++same_type;
      if (row.measured && (worst == nullptr || row.cosine < worst->cosine)) worst = &row;
    }
    if (same_type == 0) return;
    Say(same_type == 1 ? "1 weight of one name and type holds other values"
                       : absl::StrCat(same_type, " weights of one name and type hold other values"),
        worst == nullptr
            ? ""
            : absl::StrFormat("; the furthest is '%s' (cosine %.4f)", worst->name, worst->cosine));
  }

  const Analysis& first_;
  const Analysis& second_;
  const ModelDiff& diff_;
  const ModelFacts a_;
  const ModelFacts b_;
  std::vector<std::string> said_;
};

}  // namespace

std::vector<std::string> DiffWords(const Analysis& first, const Analysis& second,
                                   const ModelDiff& diff) {
  return Words(first, second, diff).Run();
}

}  // namespace onnxquant
