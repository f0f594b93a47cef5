// integer_arithmetic around quantized products: their sums, and the scales that bring them back.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 6;

// The quantized product whose sums `value` holds, possibly with a bias added or reshaped; kNone
// where it holds none.
NodeId ProductOf(const HazardContext& context, ValueId value, int depth) {
  const NodeId node = context.Producer(value);
  if (node == kNone || depth == 0) return kNone;
  if (context.IsOneOf(node, {"MatMulInteger", "ConvInteger"})) return node;
  const bool sums = context.IsOneOf(node, {"Add", "Sub"});
  if (!sums && !context.IsMover(node)) return kNone;
  for (const int input : {0, 1}) {
    const NodeId product = ProductOf(context, context.Input(node, input), depth - 1);
    if (product != kNone || !sums) return product;
  }
  return kNone;
}

// The int32 sums of quantized products go far beyond 65504 before their scale brings them back.
void CheckSums(HazardContext& context, NodeId cast) {
  if (!context.IsFloat(context.Output(cast))) return;
  if (context.IsFloat(context.Input(cast, 0))) return;
  const NodeId product = ProductOf(context, context.Input(cast, 0), kLongestWay);
  if (product == kNone) return;
  const std::string why = absl::StrCat("the integer sums ", context.Quote(product),
                                       " go beyond float16's 65504 before they are scaled");
  context.Report(cast, why);
  context.Follow(context.Output(cast), kLongestWay,
                 [&](const Use& use, const HazardContext::Path& path) {
                   if (context.IsOneOf(use.node, {"Mul", "Div"})) {
                     context.Report(path, why);
                     context.Report(use.node, why);
                   }
                   return context.IsMover(use.node) && use.input == 0;
                 });
}

// From the scale of a dynamically quantized activation: its product with a weight's scale is near
// 1e-6, and what is divided by that becomes an integer of 32 bits.
class ScaleFinder {
 public:
  explicit ScaleFinder(HazardContext& context) : context_(context) {}

  void Run(NodeId quantize) {
    const ValueIds& outputs = context_.graph().node(quantize).outputs;
    if (outputs.size() < 2 || outputs[1] == kNone) return;
    why_ = absl::StrCat("computes with the scale ", context_.QuoteValue(outputs[1]),
                        " of quantized products, whose digits and range float16 lacks");
    FollowScale(outputs[1], kLongestWay);
  }

 private:
  void FollowScale(ValueId scale, int depth) {
    if (scale == kNone || depth == 0) return;
    for (const Use& use : context_.graph().value(scale).uses) {
      if (context_.Op(use.node) == "Mul" && IsScale(context_.Input(use.node, 1 - use.input))) {
        context_.Report(use.node, why_);
        FollowScale(context_.Output(use.node), depth - 1);
      } else if (context_.Op(use.node) == "Div" && use.input == 1) {
        FollowQuotient(use.node);
      } else if (context_.IsMover(use.node) && use.input == 0) {
        FollowScale(context_.Output(use.node), depth - 1);
      }
    }
  }

  bool IsScale(ValueId value) const {
    if (context_.IsConstant(value)) return true;
    return context_.Op(context_.Producer(context_.Origin(value))) == "DynamicQuantizeLinear";
  }

  // A quotient is rounded and made an integer: a bias in units of the products.
  void FollowQuotient(NodeId div) {
    context_.Follow(
        context_.Output(div), kLongestWay, [&](const Use& use, const HazardContext::Path& path) {
          const bool integer =
              context_.Op(use.node) == "Cast" && !context_.IsFloat(context_.Output(use.node));
          if (integer) {
            context_.Report({div, use.node}, why_);
            context_.Report(path, why_);
          }
          return !integer &&
                 context_.IsOneOf(use.node, {"Floor", "Round", "Ceil", "Clip", "Reshape"});
        });
  }

  HazardContext& context_;
  std::string why_;
};

}  // namespace

void FindQuantizedSums(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) == "Cast") CheckSums(context, node);
    if (context.Op(node) == "DynamicQuantizeLinear") ScaleFinder(context).Run(node);
  }
}

}  // namespace onnxquant
