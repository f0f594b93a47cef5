// angle: sines and cosines of what may be large.
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Radians below which float16's rounding of an angle moves its sine by no more than 0.002.
constexpr double kSmallAngle = 8.0;

bool MakesAngle(const HazardContext& context, NodeId node) {
  constexpr absl::string_view kArithmetic[] = {"Add",      "Sub",           "Mul",
                                               "Div",      "Mod",           "Neg",
                                               "Sum",      "Concat",        "Where",
                                               "Clip",     "Min",           "Max",
                                               "Abs",      "CumSum",        "ReduceSum",
                                               "Exp",      "Pow",           "Reciprocal",
                                               "Floor",    "Tanh",          "Sigmoid",
                                               "Atan",     "Resize",        "Upsample",
                                               "Pad",      "ScatterND",     "ScatterElements",
                                               "GatherND", "GatherElements"};
  return context.IsMover(node) || context.IsOneOf(node, kArithmetic) ||
         context.IsShortProduct(node);
}

}  // namespace

// An angle of a thousand radians has float16's neighbours half a radian away: it, its factors and
// what it is the sum of have to be exact, and what whole turns are taken off (x - floor(x), Mod) as
// well. What a bounded function makes is small.
void FindAngles(HazardContext& context) {
  IdVector<bool> seen(context.graph().nodes().size(), false);
  for (NodeId turn = 0; turn < context.NodeCount(); ++turn) {
    if (!context.IsOneOf(turn, {"Sin", "Cos", "Tan"})) continue;
    const ValueId angle = context.Input(turn, 0);
    if (context.IsConstant(angle)) continue;
    const std::optional<double> bound = context.Magnitude(angle);
    if (bound && *bound <= kSmallAngle) continue;
    const std::string why =
        absl::StrCat(context.Op(turn), " reads ", context.QuoteValue(angle),
                     bound ? absl::StrCat(", an angle of up to ", NumberText(*bound))
                           : ", an angle that nothing bounds",
                     "; float16's neighbours of 1000 lie half a radian apart, bfloat16's 4");
    context.Report(turn, why);
    context.ReportMakers(angle, why, seen,
                         [&context](NodeId node) { return MakesAngle(context, node); });
  }
}

}  // namespace onnxquant
