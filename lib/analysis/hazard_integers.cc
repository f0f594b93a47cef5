// integer_arithmetic: positions, sizes and counts that pass through float.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// What is known of a value's elements. The order is that of the worst of several.
enum class Kind {
  kConstant,  // known beforehand, or computed from such
  kInteger,   // integers of unknown size: positions, but as well masks
  kCount,     // integers that grow with the input: sizes, indices, running sums
  kData,      // anything else
};

struct Knowledge {
  Kind kind = Kind::kData;
  bool whole = false;    // float, but still integers: nothing has scaled them yet
  ValueId root = kNone;  // where the integers come from
  bool open = false;     // a count that may be beyond 2048, as far as the model's shapes tell
};

constexpr absl::string_view kSources[] = {"Shape",  "Size",  "NonZero", "ArgMax",
                                          "ArgMin", "Range", "CumSum"};
constexpr absl::string_view kArithmetic[] = {
    "Add",   "Sub",    "Mul",    "Div",       "Mod",        "Floor",     "Ceil",
    "Round", "MatMul", "Einsum", "Neg",       "Abs",        "Min",       "Max",
    "Clip",  "Where",  "Concat", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"};
constexpr absl::string_view kKeepsWhole[] = {
    "Add",  "Sub",   "Mul",    "Mod",       "Neg",        "Abs",       "Min",      "Max",
    "Clip", "Where", "Concat", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"};
constexpr absl::string_view kMakesWhole[] = {"Floor", "Ceil", "Round"};
// Where a wrong last digit makes another result, not a slightly wrong one.
constexpr absl::string_view kCompares[] = {"Equal", "Less", "LessOrEqual", "Greater",
                                           "GreaterOrEqual"};
constexpr absl::string_view kSensitive[] = {"Sin", "Cos", "Floor", "Ceil", "Round", "Mod"};

bool IsWideInteger(ElementType type) {
  return type == ElementType::kInt64 || type == ElementType::kInt32 ||
         type == ElementType::kInt16 || type == ElementType::kUint16 ||
         type == ElementType::kUint32 || type == ElementType::kUint64;
}

class IntegerFinder {
 public:
  explicit IntegerFinder(HazardContext& context)
      : context_(context),
        known_(context.graph().values().size()),
        marked_(context.graph().values().size(), false) {}

  void Run() {
    const Graph& graph = context_.graph();
    for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
      const Value& value = graph.value(id);
      if (value.producer != kNone) continue;
      if (value.initializer != nullptr) {
        Of(id) = {Kind::kConstant, false, kNone};
      } else if (IsWideInteger(context_.TypeOf(id))) {
        Of(id) = {Kind::kInteger, true, id};
      }
    }
    for (const NodeId node : graph.order()) {
      Learn(node);
      Check(node);
    }
  }

 private:
  Knowledge& Of(ValueId value) { return known_[value]; }
  const Knowledge& Of(ValueId value) const { return known_[value]; }

  // The inputs that carry numbers: not axes, shapes, conditions.
  std::vector<ValueId> NumbersOf(NodeId node) const {
    const ValueIds& inputs = context_.graph().node(node).inputs;
    const std::string& op = context_.Op(node);
    const bool first_only = context_.IsMover(node) || op.rfind("Reduce", 0) == 0;
    std::vector<ValueId> numbers;
    for (std::size_t i = op == "Where" ? 1 : 0; i < inputs.size(); ++i) {
      if (inputs[i] != kNone && (i == 0 || !first_only)) numbers.push_back(inputs[i]);
    }
    return numbers;
  }

  // The worst of what the node computes with.
  Knowledge Inputs(NodeId node) const {
    Knowledge all{Kind::kConstant, true, kNone};
    const std::vector<ValueId> numbers = NumbersOf(node);
    if (numbers.empty()) return {};
    for (const ValueId value : numbers) {
      const Knowledge& one = Of(value);
      if (one.kind > all.kind) {
        all.kind = one.kind;
        all.root = one.root;
      }
      all.open = all.open || one.open;
      all.whole = all.whole && (one.kind == Kind::kConstant ? IsWholeConstant(value) : one.whole);
    }
    return all;
  }

  bool IsWholeConstant(ValueId value) const {
    const auto numbers = context_.Constant(value);
    return numbers && std::all_of(numbers->begin(), numbers->end(),
                                  [](double number) { return number == std::floor(number); });
  }

  Knowledge OfSource(NodeId node) const {
    const Knowledge inputs = Inputs(node);
    const ValueId output = context_.Output(node);
    if (context_.Op(node) == "Range" && inputs.kind == Kind::kConstant) {
      const auto limit = context_.Scalar(context_.Input(node, 1));
      if (limit && std::abs(*limit) <= kHalfLargestInteger) return inputs;
    }
    if (context_.Op(node) == "CumSum" && context_.IsFloat(output)) {
      const ValueId summed = context_.Input(node, 0);
      return {Kind::kCount, summed != kNone && Of(summed).whole, output, true};
    }
    const bool open = context_.Op(node) == "Size" ? HasOpenSize(context_.Input(node, 0))
                                                  : context_.Op(node) != "Shape";
    return {Kind::kCount, true, output, open};
  }

  // Whether one of the value's sizes, from one to before another, is large, or left open.
  bool HasOpenSize(ValueId value, double from = 0, double to = kHalfLargest) const {
    const auto shape = context_.ShapeOf(value);
    if (!shape) return false;
    const auto rank = static_cast<double>(shape->size());
    if (from < 0) from += rank;
    if (to < 0) to += rank;
    for (double axis = std::max(from, 0.0); axis < std::min(to, rank); ++axis) {
      const std::int64_t dim = (*shape)[static_cast<std::size_t>(axis)];
      if (dim == kOpenDim || static_cast<double>(dim) > kHalfLargestInteger) return true;
    }
    return false;
  }

  // Of what reads a Shape: whether it takes a size that may be large.
  bool TakesOpenSize(NodeId node) const {
    const NodeId shape = context_.Producer(context_.Input(node, 0));
    if (context_.Op(shape) != "Shape") return false;
    if (FindAttribute(*context_.graph().node(shape).proto, "start") != nullptr) return false;
    const ValueId value = context_.Input(shape, 0);
    if (context_.Op(node) == "ReduceProd") return HasOpenSize(value);
    const auto first = context_.Scalar(context_.Input(node, 1));
    if (!first || !context_.IsOneOf(node, {"Gather", "Slice"})) return false;
    const auto end = context_.Scalar(context_.Input(node, 2));
    if (context_.Op(node) == "Slice" && end) return HasOpenSize(value, *first, *end);
    return HasOpenSize(value, *first, *first == -1 ? kHalfLargest : *first + 1);
  }

  Knowledge OfNode(NodeId node) const {
    const std::string& op = context_.Op(node);
    if (op == "Constant") return {Kind::kConstant, false, kNone};
    if (context_.IsOneOf(node, kSources)) return OfSource(node);
    Knowledge inputs = Inputs(node);
    inputs.open = inputs.open || TakesOpenSize(node);
    if (inputs.kind == Kind::kConstant || context_.IsMover(node)) return inputs;
    if (!context_.IsOneOf(node, kArithmetic)) return {};
    if (context_.IsOneOf(node, kMakesWhole)) {
      inputs.whole = true;
    } else if (!context_.IsOneOf(node, kKeepsWhole)) {
      inputs.whole = false;
    }
    // How many ones a mask has.
    if (op == "ReduceSum" && inputs.kind == Kind::kInteger &&
        IsWideInteger(context_.TypeOf(context_.Output(node)))) {
      inputs.kind = Kind::kCount;
      inputs.open = HasOpenSize(context_.Input(node, 0));
    }
    return inputs;
  }

  void Learn(NodeId node) {
    const ValueId output = context_.Output(node);
    if (output == kNone) return;
    Of(output) = OfNode(node);
    if (IsWideInteger(context_.TypeOf(output))) {
      Of(output).whole = true;
      if (Of(output).kind == Kind::kData) Of(output) = {Kind::kInteger, true, output};
    }
    if (context_.Op(node) == "TopK" && context_.graph().node(node).outputs.size() > 1) {
      const ValueId indices = context_.graph().node(node).outputs[1];
      if (indices != kNone) Of(indices) = {Kind::kCount, true, indices, true};
    }
  }

  bool IsTainted(ValueId value) const {
    return value != kNone && context_.IsFloat(value) &&
           (Of(value).kind == Kind::kInteger || Of(value).kind == Kind::kCount);
  }

  // The node takes what float16 cannot hold; so does all that brought it here.
  void Mark(NodeId sink, const std::string& why) {
    std::vector<NodeId> open = {sink};
    while (!open.empty()) {
      const NodeId node = open.back();
      open.pop_back();
      context_.Report(node, why);
      for (const ValueId value : context_.graph().node(node).inputs) {
        if (!IsTainted(value) || marked_[value]) continue;
        marked_[value] = true;
        if (context_.Producer(value) != kNone) open.push_back(context_.Producer(value));
      }
    }
  }

  std::string Why(NodeId node, const Knowledge& numbers) const {
    return absl::StrCat("integers from ", context_.QuoteValue(numbers.root), " reach ",
                        context_.Op(node), " ", context_.Quote(node),
                        "; float16 has no integers between 2048 and the next even ones");
  }

  bool IsSink(NodeId node, const Knowledge& numbers) const {
    if (context_.IsOneOf(node, kSensitive)) return true;
    if (context_.Op(node) == "Cast") return IsWideInteger(context_.TypeOf(context_.Output(node)));
    if (numbers.kind != Kind::kCount || !numbers.whole) return false;
    return context_.IsOneOf(node, kCompares) || context_.IsOneOf(node, {"Range", "CumSum"}) ||
           (context_.IsOneOf(node, kArithmetic) && context_.Op(node) != "Concat");
  }

  // A position moved or divided by a number that float16 cannot tell from its neighbours.
  bool MeetsLargeInteger(NodeId node) const {
    if (!context_.IsOneOf(node, {"Add", "Sub", "Div", "Mod"})) return false;
    const ValueIds& inputs = context_.graph().node(node).inputs;
    return std::any_of(inputs.begin(), inputs.end(), [this](ValueId value) {
      const auto number = context_.Scalar(value);
      return number && std::abs(*number) > kHalfLargestInteger && std::abs(*number) <= kHalfLargest;
    });
  }

  // Positions times a size: a class's share of a plane of boxes, a frame's first sample. Beyond
  // 65504 nothing of them is left. What multiplies a mask, 1 - m or m - 1, is a fill.
  bool MakesOffsets(NodeId node, const Knowledge& operands) const {
    constexpr double kSize = 32.0;
    if (context_.Op(node) != "Mul" || !operands.whole) return false;
    for (const int input : {0, 1}) {
      const auto size = context_.Scalar(context_.Input(node, input));
      const NodeId other = context_.Producer(context_.Origin(context_.Input(node, 1 - input)));
      if (!size || context_.IsOneOf(other, {"Sub", "Add"})) continue;
      if (*size > kHalfLargestInteger) return true;
      if (operands.kind == Kind::kCount && *size >= kSize) return true;
    }
    return false;
  }

  // Sums of offsets and something are as large as those.
  void MarkReaders(NodeId offsets, const std::string& why) {
    constexpr int kLongestWay = 6;
    context_.Follow(context_.Output(offsets), kLongestWay,
                    [&](const Use& use, const HazardContext::Path& /*path*/) {
                      constexpr absl::string_view kAsLarge[] = {"Add", "Sub", "Neg",    "Max",
                                                                "Min", "Sum", "Concat", "Where"};
                      const bool moves = context_.IsMover(use.node) && use.input == 0;
                      const bool reads = moves || context_.IsOneOf(use.node, kAsLarge);
                      if (reads) context_.Report(use.node, why);
                      return reads;
                    });
  }

  // Data divided by a count that is beyond 65504 where float16 has it, or taken the root of.
  bool DividesByCount(NodeId node) const {
    const bool divides = context_.Op(node) == "Div";
    if (!divides && !context_.IsOneOf(node, {"Reciprocal", "Sqrt", "Log"})) return false;
    const ValueId count = context_.Input(node, divides ? 1 : 0);
    return IsTainted(count) && Of(count).kind == Kind::kCount && Of(count).open;
  }

  // 1 / n has as few digits where it is multiplied by.
  void MarkProducts(NodeId inverse, const std::string& why) {
    const ValueId output = context_.Output(inverse);
    for (const Use& use : context_.graph().value(output).uses) {
      if (context_.Op(use.node) == "Mul") context_.Report(use.node, why);
    }
  }

  void Check(NodeId node) {
    const ValueId output = context_.Output(node);
    if (output == kNone) return;
    // Float from the start.
    if (context_.IsOneOf(node, {"Range", "CumSum"}) && IsTainted(output) && Of(output).whole) {
      Mark(node, Why(node, Of(output)));
      return;
    }
    const ValueIds& inputs = context_.graph().node(node).inputs;
    const bool tainted = std::any_of(inputs.begin(), inputs.end(),
                                     [this](ValueId value) { return IsTainted(value); });
    if (!tainted) return;
    const Knowledge numbers = Inputs(node);
    if (DividesByCount(node)) {
      const ValueId count = context_.Input(node, context_.Op(node) == "Div" ? 1 : 0);
      const std::string why = Why(node, Of(count));
      Mark(node, why);
      const bool inverts =
          context_.Op(node) == "Reciprocal" || context_.IsConstant(context_.Input(node, 0));
      if (inverts) MarkProducts(node, why);
    }
    if (numbers.kind == Kind::kData) return;
    // A constant that is no integer scales: the operands may have been whole before.
    Knowledge operands = numbers;
    operands.whole = std::any_of(inputs.begin(), inputs.end(), [this](ValueId value) {
      return IsTainted(value) && Of(value).whole;
    });
    const bool offsets = MakesOffsets(node, operands);
    if (offsets || IsSink(node, operands) || MeetsLargeInteger(node)) {
      Mark(node, Why(node, numbers));
    }
    if (offsets) MarkReaders(node, Why(node, numbers));
  }

  HazardContext& context_;
  IdVector<Knowledge> known_;  // by ValueId
  IdVector<bool> marked_;      // by ValueId: what made it has been reported
};

}  // namespace

void FindIntegerArithmetic(HazardContext& context) {
  IntegerFinder(context).Run();
  FindQuantizedSums(context);
}

}  // namespace onnxquant
