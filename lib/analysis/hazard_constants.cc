// small_eps, small_constant, large_constant and mask_fill: constants that float16 cannot hold.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestDrag = 6;  // nodes that a product is followed through

// Whether the constant, which is 0, is stored in 16 bits: it may have been more in float32.
bool IsLostZero(const HazardContext& context, ValueId constant) {
  return IsHalf(context.TypeOf(context.Origin(constant)));
}

// What keeps a node's result away from zero.
struct Floor {
  double number = 0;
  bool lost = false;  // a 16-bit zero: what float32 had there vanished when the file was made
  std::vector<NodeId> makers = {};  // that compute or spread the number
};

// The smallest that an Add, Max or Where reads; nothing where it reads no such constant.
std::optional<Floor> FloorOf(const HazardContext& context, NodeId node) {
  if (context.Op(node) == "Clip") {
    const auto number = context.ClipLimit(node, "min", 1);
    if (!number) return std::nullopt;
    return Floor{*number, *number == 0.0 && IsLostZero(context, context.Input(node, 1))};
  }
  const bool selects = context.Op(node) == "Where";
  if (!selects && !context.IsOneOf(node, {"Add", "Max", "Sum"})) return std::nullopt;
  std::optional<Floor> floor;
  const auto count = static_cast<int>(context.graph().node(node).inputs.size());
  for (int input = selects ? 1 : 0; input < count; ++input) {
    const ValueId value = context.Input(node, input);
    if (!context.IsFloat(value)) continue;
    std::vector<NodeId> makers;
    const auto number = context.Fixed(value, makers);
    if (!number || (selects && *number <= 0.0) || (floor && floor->number <= *number)) continue;
    floor = Floor{*number, *number == 0.0 && IsLostZero(context, value), std::move(makers)};
  }
  return floor;
}

bool NeedsNonZero(const HazardContext& context, const Use& use) {
  if (context.IsOneOf(use.node, {"Log", "Sqrt", "Reciprocal"})) return true;
  if (context.Op(use.node) == "Div") return use.input == 1;
  const auto exponent =
      context.Op(use.node) == "Pow" ? context.Scalar(context.Input(use.node, 1)) : std::nullopt;
  return use.input == 0 && exponent && (*exponent < 0.0 || *exponent == 0.5);
}

// A small constant matters where the value goes on to a division, directly or through a root.
void FindEpsAt(HazardContext& context, NodeId node, const Floor& floor) {
  // Nobody adds 0, but a limit of 0 may be meant where a root follows and no division.
  const bool limits = floor.lost && context.Op(node) != "Add";
  const std::string kept =
      floor.lost ? "0: float32's constant is lost in the file"
                 : absl::StrCat(NumberText(floor.number),
                                ", which is below float16's smallest normal number 6.1e-05");
  context.Follow(context.Output(node), 6, [&](const Use& use, const HazardContext::Path& path) {
    const bool root = context.Op(use.node) == "Sqrt" ||
                      (context.Op(use.node) == "Pow" && context.OtherScalar(use) == 0.5);
    if (NeedsNonZero(context, use) && !(limits && root)) {
      const std::string why =
          absl::StrCat(context.Quote(node), " is kept from zero by ", kept, ", before ",
                       context.Op(use.node), " makes ", context.Quote(use.node));
      context.Report({node, use.node}, why);
      context.Report(path, why);
      context.Report(floor.makers, why);
      // 1 / eps is beyond float16, where nothing is multiplied by it.
      const bool inverts =
          context.Op(use.node) == "Reciprocal" ||
          (context.Op(use.node) == "Div" && context.IsConstant(context.Input(use.node, 0)));
      const ValueId inverse = context.Output(use.node);
      if (inverts && inverse != kNone) {
        for (const Use& next : context.graph().value(inverse).uses) {
          if (context.Op(next.node) == "Mul") context.Report(next.node, why);
        }
      }
    }
    // Products with what is kept from zero, and selections of it, are kept so by the same number.
    constexpr absl::string_view kKeeps[] = {"Sqrt",   "Pow", "Mul", "Max",       "Clip",      "Abs",
                                            "Concat", "Add", "Sum", "ReduceSum", "ReduceMean"};
    if (context.Op(use.node) == "Where") return use.input > 0;
    return context.IsOneOf(use.node, kKeeps) || (use.input == 0 && context.IsMover(use.node));
  });
}

// The small constants that a node reads, by input; each is one number or several.
template <typename Visit>
void ForEachConstant(const HazardContext& context, NodeId node, Visit visit) {
  const ValueIds& inputs = context.graph().node(node).inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!context.IsFloat(inputs[i])) continue;
    if (const auto numbers = context.Constant(inputs[i])) visit(static_cast<int>(i), *numbers);
  }
}

// The finite number of largest magnitude, 0 if there is none.
double LargestOf(const std::vector<double>& numbers) {
  double largest = 0.0;
  for (const double number : numbers) {
    if (std::isfinite(number) && std::abs(number) > std::abs(largest)) largest = number;
  }
  return largest;
}

// Whether the value comes from truth values or integers, as attention masks do.
bool IsMask(const HazardContext& context, ValueId value) {
  for (int i = 0; i < 8 && value != kNone; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return false;
    if (context.Op(node) == "Cast" && !context.IsFloat(context.Input(node, 0))) return true;
    const bool first_constant = context.Constant(context.Input(node, 0)).has_value();
    if (!context.IsMover(node) && !context.IsOneOf(node, {"Sub", "Add", "Mul", "Neg"})) {
      return false;
    }
    value = context.Input(node, first_constant ? 1 : 0);
  }
  return false;
}

// Whether numbers that are added are a mask's: zeros and fills, which are hardly above zero.
bool LooksLikeFills(const std::vector<double>& numbers) {
  constexpr double kLeastFill = 1000;
  return std::all_of(numbers.begin(), numbers.end(), [&](double number) {
    return number == 0.0 || !std::isfinite(number) || std::abs(number) >= kLeastFill;
  });
}

// A mask is a fill that stands for minus infinity: clamped, it does the same.
bool FillsAMask(const HazardContext& context, NodeId node, int input, double number) {
  if (context.Op(node) == "Mul") {
    return number < 0.0 || IsMask(context, context.Input(node, 1 - input));
  }
  const bool adds = context.IsOneOf(node, {"Add", "Sub"});
  if (adds && !LooksLikeFills(*context.Constant(context.Input(node, input)))) return false;
  return context.IsOneOf(node, {"Where", "Add", "Sub", "Sum", "Max", "Min", "Clip", "Pad",
                                "ScatterND", "ScatterElements", "Concat"});
}

// Elementwise: what such a node makes of numbers beyond float16's range is beyond it as well.
constexpr absl::string_view kKeepsRange[] = {"Add", "Sub", "Mul",  "Div", "Neg",   "Abs",   "Relu",
                                             "Max", "Min", "Mean", "Sum", "Where", "Concat"};

// The readers of numbers that a factor of `scale` has sent beyond float16's range, up to those
// that bring them back (a logarithm, a limit, a division by as much): in float16 they would be
// read as infinity.
void DragReaders(HazardContext& context, ValueId value, double scale, int depth, int& readings,
                 const std::string& why) {
  if (value == kNone || depth == 0) return;
  for (const Use& use : context.graph().value(value).uses) {
    if (readings-- <= 0) return;
    context.Report(use.node, why);
    if (!context.IsOneOf(use.node, kKeepsRange) && !(context.IsMover(use.node) && use.input == 0)) {
      continue;
    }
    double reached = scale;
    const auto other = context.OtherScalar(use);
    if (context.Op(use.node) == "Mul" && other) reached *= *other;
    if (context.Op(use.node) == "Div") reached = other && use.input == 0 ? scale / *other : 0.0;
    if (std::abs(reached) <= kHalfLargest) continue;
    for (const ValueId output : context.graph().node(use.node).outputs) {
      DragReaders(context, output, reached, depth - 1, readings, why);
    }
  }
}

void FindBeyondRange(HazardContext& context, bool fills) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.IsMover(node)) continue;
    ForEachConstant(context, node, [&](int input, const std::vector<double>& numbers) {
      const double largest = LargestOf(numbers);
      if (std::abs(largest) <= kHalfLargest) return;
      if (FillsAMask(context, node, input, largest) != fills) return;
      const std::string constant =
          absl::StrCat("the constant ", NumberText(largest), ", beyond float16's 65504");
      context.Report(node, absl::StrCat(context.Op(node), " reads ", constant));
      if (fills || context.Op(node) != "Mul") return;
      int readings = kMostReadings;
      DragReaders(
          context, context.Output(node), largest, kLongestDrag, readings,
          absl::StrCat("reads what Mul ", context.Quote(node), " multiplies by ", constant));
    });
  }
}

}  // namespace

void FindSmallEps(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    const std::optional<Floor> floor = FloorOf(context, node);
    if (!floor) continue;
    const bool small = floor->number > 0.0 && floor->number < kHalfSmallestNormal;
    if (small || floor->lost) FindEpsAt(context, node, *floor);
  }
}

void FindSmallConstants(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (!context.IsOneOf(node, {"Mul", "Div"})) continue;
    ForEachConstant(context, node, [&](int input, const std::vector<double>& numbers) {
      if (numbers.size() != 1) return;
      const double number = std::abs(numbers.front());
      const bool divides = context.Op(node) == "Div" && input == 1;
      if (number == 0.0 && divides && IsLostZero(context, context.Input(node, input))) {
        context.Report(node, absl::StrCat(context.Quote(node),
                                          " is divided by 0: float32's constant is lost in the "
                                          "file"));
      }
      if (number == 0.0 || number >= kHalfSmallestNormal) return;
      context.Report(
          node, absl::StrCat(context.Op(node), " reads the constant ", NumberText(numbers.front()),
                             ", below float16's smallest normal number 6.1e-05"));
    });
  }
}

void FindLargeConstants(HazardContext& context) {
  FindBeyondRange(context, false);
}

void FindMaskFills(HazardContext& context) {
  FindBeyondRange(context, true);
}

}  // namespace onnxquant
