// decomposed_norm: chains from squares through a reduction to a division.
#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestChain = 12;

// The node that makes `value` if that is a square; else kNone.
NodeId SquareOf(const HazardContext& context, ValueId value) {
  const NodeId node = context.Producer(context.Origin(value));
  return context.IsSquare(node) ? node : kNone;
}

bool IsRoot(const HazardContext& context, NodeId node) {
  if (context.Op(node) == "Sqrt") return true;
  if (context.Op(node) != "Pow") return false;
  const auto exponent = context.Scalar(context.Input(node, 1));
  return exponent == 0.5 || exponent == -0.5;
}

// 1 / x, or x to a negative power.
bool Inverts(const HazardContext& context, NodeId node) {
  if (context.Op(node) == "Reciprocal") return true;
  if (context.Op(node) == "Div") return context.Scalar(context.Input(node, 0)).has_value();
  return context.Op(node) == "Pow" && context.Scalar(context.Input(node, 1)) == -0.5;
}

// What a norm scales: the product that ends it, and the factor.
struct Scaled {
  NodeId product = kNone;
  ValueId factor = kNone;
};

// One reduction of squares, and the way from it to the division by its root.
class NormFinder {
 public:
  // `scaled` is added to.
  NormFinder(HazardContext& context, NodeId reduction, std::vector<Scaled>& scaled)
      : context_(context), reduction_(reduction), scaled_(scaled) {}

  void Run() {
    rooted_ = context_.Op(reduction_) == "ReduceL2";
    const bool squares = rooted_ || context_.Op(reduction_) == "ReduceSumSquare" ||
                         context_.IsProductWithItself(reduction_);
    if (!squares) {
      square_ = SquareOf(context_, context_.Input(reduction_, 0));
      if (square_ == kNone) return;
    }
    const ValueId start = context_.Output(reduction_);
    context_.Follow(start, kLongestChain, [this](const Use& use, const HazardContext::Path& path) {
      if (Ends(use, path)) {
        Found(use.node, path);
        scaled_.push_back({use.node, context_.Input(use.node, use.input)});
      }
      return Passes(use);
    });
  }

 private:
  bool Ends(const Use& use, const HazardContext::Path& path) const {
    const auto root = [this](NodeId node) { return IsRoot(context_, node); };
    const auto inverse = [this](NodeId node) { return Inverts(context_, node); };
    if (!rooted_ && std::none_of(path.begin(), path.end(), root)) return false;
    const bool divides = context_.Op(use.node) == "Div" && use.input == 1 &&
                         !context_.Scalar(context_.Input(use.node, 0));
    const bool multiplies = context_.Op(use.node) == "Mul" &&
                            !context_.IsConstant(context_.Input(use.node, 1 - use.input)) &&
                            std::any_of(path.begin(), path.end(), inverse);
    return divides || multiplies;
  }

  bool Passes(const Use& use) const {
    const NodeId node = use.node;
    if (IsRoot(context_, node) || Inverts(context_, node)) return true;
    if (context_.IsMover(node)) return use.input == 0;
    if (context_.Op(node) == "Where") return use.input > 0;
    // Clip, and the variance as mean(x²) - mean(x)².
    if (context_.IsOneOf(node, {"Clip", "Sub"})) return use.input == 0;
    if (context_.Op(node) == "Div") return use.input == 0 && context_.OtherScalar(use).has_value();
    if (use.input > 1) return false;
    const ValueId other = context_.Input(node, 1 - use.input);
    if (MultipliesLengths(node)) return IsLength(other) || IsScale(use);
    return context_.IsOneOf(node, {"Add", "Max"}) && context_.IsConstant(other);
  }

  // By each other; all of one list by all of another, too.
  bool MultipliesLengths(NodeId node) const {
    return context_.IsOneOf(node, {"Mul", "MatMul", "Gemm", "Einsum"});
  }

  bool IsScale(const Use& use) const {
    return context_.Op(use.node) == "Mul" &&
           context_.IsConstant(context_.Input(use.node, 1 - use.input));
  }

  // Whether the value is the length of a vector as well, or its square: a cosine is divided by the
  // product of two.
  bool IsLength(ValueId value) const {
    constexpr int kFewSteps = 6;
    for (int i = 0; i < kFewSteps && value != kNone; ++i) {
      const NodeId node = context_.Producer(value);
      if (context_.IsOneOf(node, {"ReduceL2", "ReduceSumSquare"}) || IsRoot(context_, node) ||
          context_.IsProductWithItself(node)) {
        return true;
      }
      const bool sums = context_.IsOneOf(node, {"ReduceSum", "ReduceMean"});
      if (sums) return SquareOf(context_, context_.Input(node, 0)) != kNone;
      const bool second = context_.IsConstant(context_.Input(node, 0));
      const bool keeps = context_.IsMover(node) || context_.IsOneOf(node, {"Clip", "Add", "Max"});
      if (!keeps) return false;
      value = context_.Input(node, second ? 1 : 0);
    }
    return false;
  }

  void Found(NodeId end, const HazardContext::Path& path) {
    const NodeId first = square_ == kNone ? reduction_ : square_;
    const std::string why =
        absl::StrCat("part of the norm from ", context_.Quote(first), " to ", context_.Quote(end),
                     "; the squares overflow float16 beyond 256 and vanish below 0.0002");
    context_.Report({first, reduction_, end}, why);
    context_.Report(path, why);
    const NodeId divisor = context_.Producer(context_.Input(end, 1));
    const bool second = context_.Op(end) == "Mul" && divisor != path.back();
    ReportDot(context_.Input(end, second ? 1 : 0), path, why);
    for (const NodeId node : path) {
      if (context_.Op(node) != "Sub") continue;
      const NodeId square = SquareOf(context_, context_.Input(node, 1));
      if (square != kNone) context_.Report(square, why);
    }
    // x - mean(x), once for the square and possibly again for the division.
    ReportCentering(context_.Input(first, 0), why);
    ReportCentering(context_.Input(end, 0), why);
    ReportCentering(context_.Input(end, 1), why);
  }

  // x · y, which outgrows float16 as x · x does, where it is divided by both lengths, at once or
  // one after the other. What a product with one length alone divides is a layer's.
  void ReportDot(ValueId value, const HazardContext::Path& path, const std::string& why) {
    constexpr int kFewSteps = 4;
    std::vector<NodeId> way;
    bool both = std::any_of(path.begin(), path.end(), [this](NodeId node) {
      return MultipliesLengths(node) && !context_.IsConstant(context_.Input(node, 0)) &&
             !context_.IsConstant(context_.Input(node, 1));
    });
    for (int i = 0; i < kFewSteps; ++i) {
      const NodeId node = context_.Producer(value);
      const bool divides = context_.Op(node) == "Div" && IsLength(context_.Input(node, 1));
      const bool scales =
          context_.Op(node) == "Mul" && context_.IsConstant(context_.Input(node, 1));
      if (!divides && !scales && (node == kNone || !context_.IsMover(node))) break;
      both = both || divides;
      way.push_back(node);
      value = context_.Input(node, 0);
    }
    const NodeId sum = context_.Producer(value);
    const NodeId product = context_.Op(sum) == "ReduceSum"
                               ? context_.Producer(context_.Origin(context_.Input(sum, 0)))
                               : kNone;
    const bool matrices = both && context_.IsOneOf(sum, {"MatMul", "Gemm", "Einsum"}) &&
                          !context_.IsConstant(context_.Input(sum, 0)) &&
                          !context_.IsConstant(context_.Input(sum, 1));
    if (!matrices && context_.Op(product) != "Mul") return;
    if (!matrices) context_.Report(product, why);
    context_.Report(sum, why);
    context_.Report(way, why);
  }

  void ReportCentering(ValueId value, const std::string& why) {
    const NodeId sub = context_.Producer(value);
    if (context_.Op(sub) != "Sub") return;
    const NodeId mean = context_.Producer(context_.Origin(context_.Input(sub, 1)));
    if (context_.Op(mean) != "ReduceMean") return;
    if (context_.Input(mean, 0) == context_.Input(sub, 0)) context_.Report({sub, mean}, why);
  }

  HazardContext& context_;
  const NodeId reduction_;
  std::vector<Scaled>& scaled_;
  NodeId square_ = kNone;
  bool rooted_ = false;  // the reduction takes the root itself
};

// The product that `value` is, or is before a constant is added or it is subtracted from one; the
// node of that is in `between`.
NodeId ScaledAt(const HazardContext& context, ValueId value, NodeId& between) {
  between = kNone;
  const NodeId node = context.Producer(value);
  if (!context.IsOneOf(node, {"Add", "Sub"})) return node;
  for (const int input : {0, 1}) {
    if (!context.IsConstant(context.Input(node, 1 - input))) continue;
    between = node;
    return context.Producer(context.Input(node, input));
  }
  return node;
}

// x · s + (bias - mean · s), as batch norms that are folded at run time have it: where the mean is
// many deviations large, both products are, and their difference is not.
void FindScaledDifferences(HazardContext& context, const std::vector<Scaled>& scaled) {
  absl::flat_hash_map<NodeId, ValueId> factors;
  std::vector<Scaled> products;  // each once
  for (const Scaled& one : scaled) {
    if (factors.emplace(one.product, one.factor).second) products.push_back(one);
  }
  for (const Scaled& one : products) {
    const ValueId output = context.Output(one.product);
    if (output == kNone) continue;
    for (const Use& use : context.graph().value(output).uses) {
      if (!context.IsOneOf(use.node, {"Add", "Sub"})) continue;
      NodeId between = kNone;
      const NodeId other = ScaledAt(context, context.Input(use.node, 1 - use.input), between);
      const auto found = factors.find(other);
      if (found == factors.end() || other == one.product || found->second != one.factor) continue;
      const std::string why =
          absl::StrCat(context.Quote(use.node), " is the difference of two products with ",
                       context.QuoteValue(one.factor), ", of which little may be left");
      context.Report(use.node, why);
      if (between != kNone) context.Report(between, why);
    }
  }
}

}  // namespace

void FindDecomposedNorms(HazardContext& context) {
  std::vector<Scaled> scaled;
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.IsOneOf(node, {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"}) ||
        context.IsProductWithItself(node)) {
      NormFinder(context, node, scaled).Run();
    }
  }
  FindScaledDifferences(context, scaled);
}

}  // namespace onnxquant
