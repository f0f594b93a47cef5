#include "lib/analysis/mask_sums.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// What all fills on a way may come to: 8160 less than float16 ends at, which is for the scores, and
// so near that its neighbours, 32 apart, swallow the scores of a row that is masked as a whole.
constexpr double kAllFills = 57344;
constexpr double kStep = 1024;  // of limits
constexpr int kMostFills = 8;
constexpr int kMostNested = 4;  // Ifs within each other, or one after the other
constexpr double kLeastFill = 5000;

// What a value may hold.
struct Sum {
  int fills = 0;
  bool with_scores = false;  // something that is no constant was added to fills
};

// An operator with a mask among its inputs, which its kernel adds to the scores.
struct Masked {
  const char* domain;
  const char* op;
  int input;
};
constexpr char kMs[] = "com.microsoft";
constexpr Masked kMasked[] = {
    {"", "Softmax", 0},
    {"", "LogSoftmax", 0},
    {"", "ReduceMax", 0},  // of a softmax that is spelt out          {"", "Attention", 3},
    {kMs, "Attention", 5},
    {kMs, "MultiHeadAttention", 5},
    {kMs, "GroupQueryAttention", 10}};

bool ReadsMask(const Graph& graph, const Use& use) {
  const onnx::NodeProto& node = *graph.node(use.node).proto;
  const std::string domain = IsOnnxDomain(node.domain()) ? "" : node.domain();
  return std::any_of(std::begin(kMasked), std::end(kMasked), [&](const Masked& masked) {
    return domain == masked.domain && node.op_type() == masked.op && use.input == masked.input;
  });
}

class MaskSums {
 public:
  MaskSums(const Graph& graph, const ValueTypes& types)
      : graph_(graph),
        context_(graph, types),
        sums_(graph.values().size()),
        needs_(graph.values().size()),
        elsewhere_(graph.values().size(), false),
        visited_(graph) {
    for (NodeId node = 0; node < context_.NodeCount(); ++node) {
      if (context_.Op(node) != "If") continue;
      for (const ScopeId body : graph.node(node).bodies) {
        for (std::size_t i = 0; i < graph.outputs(body).size(); ++i) {
          const ValueId output = OutputOf(graph, node, static_cast<int>(i));
          const ValueId inner = graph.outputs(body)[i];
          if (inner != kNone && output != kNone) given_as_.emplace(inner, output);
        }
      }
    }
  }

  MaskLimits Run() {
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
      if (graph_.value(id).initializer != nullptr && IsFill(id)) sums_[id].fills = 1;
    }
    // A branch's nodes stand after the If that gives out what they make.
    const int rounds = given_as_.empty() ? 1 : kMostNested;
    for (int i = 0; i < rounds; ++i) {
      for (const NodeId node : graph_.order()) Add(node);
    }
    for (int i = 0; i < rounds; ++i) {
      elsewhere_ = IdVector<bool>(graph_.values().size(), false);
      const auto& order = graph_.order();
      for (auto node = order.rbegin(); node != order.rend(); ++node) {
        for (const ValueId output : graph_.node(*node).outputs) Need(output);
      }
    }
    MaskLimits limits;
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
      if (!IsConstantLeaf(id)) continue;
      Need(id);
      // What reads the constant elsewhere, a limit of activations for one, takes it as it is.
      const bool fills = sums_[id].fills > 0 && needs_[id].reader != kNone && !elsewhere_[id];
      if (!fills) continue;
      MaskLimit limit = LimitOf(needs_[id]);
      limit.way = WayFrom(id);
      limits.emplace(id, std::move(limit));
    }
    return limits;
  }

 private:
  struct Needed {
    int fills = 0;          // 0: nothing is added to the only one
    NodeId reader = kNone;  // that reads their sum
    bool IsMoreThan(const Needed& other) const {
      return reader != kNone && (other.reader == kNone || fills > other.fills);
    }
  };

  // The value that an If gives out where a branch gives out this one; else kNone.
  ValueId GivenAs(ValueId value) const {
    const auto found = given_as_.find(value);
    return found == given_as_.end() ? kNone : found->second;
  }

  std::vector<NodeId> WayFrom(ValueId constant) {
    std::vector<NodeId> way;
    std::vector<ValueId> open = {constant};
    visited_.Clear();
    while (!open.empty() && visited_.count() < kMostVisited) {
      const ValueId value = open.back();
      open.pop_back();
      if (value == kNone) continue;
      open.push_back(GivenAs(value));
      for (const Use& use : graph_.value(value).uses) {
        if (!visited_.Insert(use.node)) continue;
        way.push_back(use.node);
        if (!Keeps(use.node) && !Adds(use.node)) continue;
        const ValueIds outputs = graph_.node(use.node).outputs;
        open.insert(open.end(), outputs.begin(), outputs.end());
      }
    }
    return way;
  }

  bool IsConstantLeaf(ValueId value) const {
    if (graph_.value(value).initializer != nullptr) return true;
    return context_.IsOneOf(graph_.value(value).producer, {"Constant", "ConstantOfShape"});
  }

  bool IsFill(ValueId constant) const {
    if (!context_.IsFloat(constant)) return false;
    if (const auto numbers = context_.Constant(constant)) {
      return std::any_of(numbers->begin(), numbers->end(), [](double number) {
        return std::isfinite(number) && std::abs(number) >= kLeastFill;
      });
    }
    const auto shape = context_.ShapeOf(constant);
    return !shape || shape->size() > 1;  // a row is a bias
  }

  static Sum Larger(const Sum& a, const Sum& b) {
    return {std::max(a.fills, b.fills), a.with_scores || b.with_scores};
  }

  Sum OfAll(NodeId node) const {
    Sum sum;
    for (const ValueId input : graph_.node(node).inputs) {
      if (input != kNone) sum = Larger(sum, sums_[input]);
    }
    return sum;
  }

  bool Keeps(NodeId node) const {
    return context_.IsMover(node) ||
           context_.IsOneOf(
               node, {"Where", "Concat", "Pad", "Trilu", "Max", "Min", "Clip", "Neg", "Mul", "Div",
                      "ScatterND", "ScatterElements", "GatherND", "GatherElements"});
  }
  bool Adds(NodeId node) const { return context_.IsOneOf(node, {"Add", "Sub", "Sum"}); }

  void Add(NodeId node) {
    if (context_.Op(node) == "If") {
      AddBranches(node);
      return;
    }
    for (const ValueId output : graph_.node(node).outputs) {
      if (output != kNone && context_.IsFloat(output)) Add(node, output);
    }
  }

  void AddBranches(NodeId node) {
    for (const ScopeId body : graph_.node(node).bodies) {
      for (const ValueId inner : graph_.outputs(body)) {
        const ValueId given = GivenAs(inner);
        if (given != kNone) sums_[given] = Larger(sums_[given], sums_[inner]);
      }
    }
  }

  void Add(NodeId node, ValueId output) {
    if (context_.IsOneOf(node, {"Constant", "ConstantOfShape"})) {
      sums_[output].fills = IsFill(output) ? 1 : 0;
    } else if (Keeps(node)) {
      sums_[output] = OfAll(node);
    } else if (Adds(node)) {
      Sum& sum = sums_[output] = {0, OfAll(node).with_scores};
      bool scores = false;
      for (const ValueId input : graph_.node(node).inputs) {
        if (input == kNone) continue;
        sum.fills = std::min(sum.fills + sums_[input].fills, kMostFills);
        scores = scores || (sums_[input].fills == 0 && !context_.IsConstant(input));
      }
      sum.with_scores = sum.fills > 0 && (sum.with_scores || scores);
    }
  }

  void Need(ValueId value) {
    if (value == kNone || sums_[value].fills == 0) return;
    Needed& needed = needs_[value];
    if (const ValueId given = GivenAs(value); given != kNone) {
      if (needs_[given].IsMoreThan(needed)) needed = needs_[given];
      elsewhere_[value] = needs_[given].reader == kNone;
    }
    for (const Use& use : graph_.value(value).uses) {
      Needed one;
      if (ReadsMask(graph_, use)) {
        // A kernel that takes a mask adds it to the scores itself.
        const bool adds = !context_.IsOneOf(use.node, {"Softmax", "LogSoftmax"});
        const bool sums = adds || sums_[value].with_scores || sums_[value].fills > 1;
        one = {sums ? sums_[value].fills : 0, use.node};
      } else if (Keeps(use.node) || Adds(use.node)) {
        for (const ValueId output : graph_.node(use.node).outputs) {
          if (output != kNone && needs_[output].IsMoreThan(one)) one = needs_[output];
        }
      }
      if (one.IsMoreThan(needed)) needed = one;
      elsewhere_[value] = elsewhere_[value] || one.reader == kNone;
    }
  }

  MaskLimit LimitOf(const Needed& needed) const {
    const std::string reader = absl::StrCat(graph_.node(needed.reader).proto->op_type(), " ",
                                            context_.Quote(needed.reader));
    if (needed.fills == 0)
      return {kHalfLargest, absl::StrCat("a fill of a mask reaches ", reader), {}};
    const double limit = std::floor(kAllFills / needed.fills / kStep) * kStep;
    const std::string fills = needed.fills == 1 ? "a fill of a mask is"
                                                : absl::StrCat(needed.fills, " fills of masks are");
    return {limit, absl::StrCat(fills, " added on the way to ", reader), {}};
  }

  const Graph& graph_;
  const HazardContext context_;
  IdVector<Sum> sums_;        // by ValueId
  IdVector<Needed> needs_;    // by ValueId
  IdVector<bool> elsewhere_;  // by ValueId: something reads it that leads to no softmax
  VisitedNodes visited_;
  absl::flat_hash_map<ValueId, ValueId> given_as_;  // what a branch gives out: what its If does
};

}  // namespace

MaskLimits FindMaskLimits(const Graph& graph, const ValueTypes& types) {
  const auto is_masked = [](const Node& node) {
    return std::any_of(std::begin(kMasked), std::end(kMasked), [&node](const Masked& masked) {
      return node.proto->op_type() == masked.op;
    });
  };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), is_masked)) return {};
  return MaskSums(graph, types).Run();
}

}  // namespace onnxquant
