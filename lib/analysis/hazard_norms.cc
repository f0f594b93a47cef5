// decomposed_norm and exp_sum: chains through a reduction.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestChain = 12;

// The node that makes `value` if that is a square: Pow(x, 2) or Mul(x, x); else kNone.
NodeId SquareOf(const HazardContext& context, ValueId value) {
  const NodeId node = context.Producer(context.Origin(value));
  if (context.Op(node) == "Pow") {
    return context.Scalar(context.Input(node, 1)) == 2.0 ? node : kNone;
  }
  const bool square = context.Op(node) == "Mul" && context.Input(node, 0) == context.Input(node, 1);
  return square ? node : kNone;
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

// One reduction of squares, and the way from it to the division by its root.
class NormFinder {
 public:
  NormFinder(HazardContext& context, NodeId reduction) : context_(context), reduction_(reduction) {}

  void Run() {
    rooted_ = context_.Op(reduction_) == "ReduceL2";
    const bool squares = rooted_ || context_.Op(reduction_) == "ReduceSumSquare";
    if (!squares) {
      square_ = SquareOf(context_, context_.Input(reduction_, 0));
      if (square_ == kNone) return;
    }
    const ValueId start = context_.Output(reduction_);
    context_.Follow(start, kLongestChain, [this](const Use& use, const HazardContext::Path& path) {
      if (Ends(use, path)) Found(use.node, path);
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
    // Clip, and the variance as mean(x²) - mean(x)².
    if (context_.IsOneOf(node, {"Clip", "Sub"})) return use.input == 0;
    if (context_.Op(node) == "Div") return use.input == 0 && context_.OtherScalar(use).has_value();
    return context_.IsOneOf(node, {"Add", "Max", "Mul"}) &&
           context_.IsConstant(context_.Input(node, 1 - use.input));
  }

  void Found(NodeId end, const HazardContext::Path& path) {
    const NodeId first = square_ == kNone ? reduction_ : square_;
    const std::string why =
        absl::StrCat("part of the norm from ", context_.Quote(first), " to ", context_.Quote(end),
                     "; the squares overflow float16 beyond 256 and vanish below 0.0002");
    context_.Report({first, reduction_, end}, why);
    context_.Report(path, why);
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

  void ReportCentering(ValueId value, const std::string& why) {
    const NodeId sub = context_.Producer(value);
    if (context_.Op(sub) != "Sub") return;
    const NodeId mean = context_.Producer(context_.Origin(context_.Input(sub, 1)));
    if (context_.Op(mean) != "ReduceMean") return;
    if (context_.Input(mean, 0) == context_.Input(sub, 0)) context_.Report({sub, mean}, why);
  }

  HazardContext& context_;
  const NodeId reduction_;
  NodeId square_ = kNone;
  bool rooted_ = false;  // the reduction takes the root itself
};

// Whether the value is x - max(x): its exponentials lie between 0 and 1.
bool IsBelowZero(const HazardContext& context, ValueId value) {
  const NodeId sub = context.Producer(value);
  if (context.Op(sub) != "Sub") return false;
  NodeId max = context.Producer(context.Origin(context.Input(sub, 1)));
  // The maximum of nothing may have been given a value.
  if (context.Op(max) == "Max" && context.Scalar(context.Input(max, 0))) {
    max = context.Producer(context.Origin(context.Input(max, 1)));
  }
  return context.Op(max) == "ReduceMax";
}

// log(1 + exp(x)): the exponential overflows although the result would not.
void FindSoftplus(HazardContext& context, NodeId exp) {
  context.Follow(context.Output(exp), 2, [&](const Use& use, const HazardContext::Path& path) {
    if (path.empty()) return context.Op(use.node) == "Add" && context.OtherScalar(use).has_value();
    if (context.Op(use.node) != "Log") return false;
    const std::string why = absl::StrCat("the exponential ", context.Quote(exp),
                                         " overflows float16 above 11.09 before the logarithm ",
                                         context.Quote(use.node), " takes it back");
    context.Report({exp, path.front(), use.node}, why);
    return false;
  });
}

void FindSumsOf(HazardContext& context, NodeId exp) {
  const bool shifted = IsBelowZero(context, context.Input(exp, 0));
  context.Follow(context.Output(exp), 4, [&](const Use& use, const HazardContext::Path& path) {
    if (use.input != 0) return false;
    if (!context.IsOneOf(use.node, {"ReduceSum", "ReduceMean", "ReduceLogSum"})) {
      return context.IsMover(use.node);
    }
    const std::string why = absl::StrCat(
        context.Quote(use.node), " sums the exponentials ", context.Quote(exp),
        shifted ? "; float16 loses the small ones"
                : ", which overflow float16 above 11.09: nothing subtracts the maximum first");
    context.Report({exp, use.node}, why);
    context.Report(path, why);
    // What divides by the sum or takes its logarithm has to see it unrounded.
    const ValueId sum = context.Output(use.node);
    context.Follow(sum, 4, [&](const Use& next, const HazardContext::Path& way) {
      const bool ends = (context.Op(next.node) == "Div" && next.input == 1) ||
                        context.IsOneOf(next.node, {"Log", "Reciprocal"});
      if (ends) {
        context.Report(way, why);
        context.Report(next.node, why);
      }
      return context.IsMover(next.node) ||
             (context.Op(next.node) == "Add" && context.OtherScalar(next).has_value());
    });
    return false;
  });
}

}  // namespace

void FindDecomposedNorms(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.IsOneOf(node, {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"})) {
      NormFinder(context, node).Run();
    }
  }
}

void FindExpSums(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) == "Exp") {
      FindSumsOf(context, node);
      if (!IsBelowZero(context, context.Input(node, 0))) FindSoftplus(context, node);
    } else if (context.Op(node) == "ReduceLogSumExp") {
      context.Report(node, absl::StrCat(context.Quote(node),
                                        " sums exponentials; float16 loses the small ones"));
    }
  }
}

}  // namespace onnxquant
