// cancellation: a mean of products less a product of means.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 8;

// A product: x · y, or x².
struct Product {
  NodeId node = kNone;
  ValueId a = kNone;
  ValueId b = kNone;
};

std::optional<Product> ProductAt(const HazardContext& context, NodeId node) {
  const ValueId first = context.Input(node, 0);
  if (context.Op(node) == "Pow" && context.Scalar(context.Input(node, 1)) == 2.0) {
    return Product{node, first, first};
  }
  const ValueId second = context.Input(node, 1);
  if (context.Op(node) != "Mul" || context.IsConstant(first) || context.IsConstant(second)) {
    return std::nullopt;
  }
  return Product{node, first, second};
}

// Whether the value is a number of elements, which the graph computes from a shape.
bool IsCount(const HazardContext& context, ValueId value) {
  for (int i = 0; i < kLongestWay; ++i) {
    const NodeId node = context.Producer(value);
    if (context.IsOneOf(node, {"Shape", "Size"})) return true;
    constexpr absl::string_view kArithmetic[] = {"ReduceProd", "Add", "Sub", "Mul"};
    if (!context.IsMover(node) && !context.IsOneOf(node, kArithmetic)) return false;
    value = context.Input(node, context.IsConstant(context.Input(node, 0)) ? 1 : 0);
  }
  return false;
}

// The way from a value back to what makes it, through what moves or scales it.
ValueId PastScales(const HazardContext& context, ValueId value, std::vector<NodeId>& way) {
  for (int i = 0; i < kLongestWay; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return value;
    int next = 0;
    if (context.IsOneOf(node, {"Mul", "Div"})) {
      const auto scales = [&](int input) {
        const ValueId factor = context.Input(node, input);
        return context.IsConstant(factor) || IsCount(context, factor);
      };
      if (!scales(1) && !(context.Op(node) == "Mul" && scales(0))) return value;
      next = scales(1) ? 0 : 1;
    } else if (!context.IsMover(node)) {
      return value;
    }
    way.push_back(node);
    value = context.Input(node, next);
  }
  return value;
}

// A node that averages or sums its first input, or filters it with constants.
bool IsAverage(const HazardContext& context, NodeId node) {
  if (context.IsOneOf(node, {"ReduceMean", "ReduceSum", "AveragePool", "GlobalAveragePool"})) {
    return true;
  }
  return context.IsOneOf(node, {"Conv", "MatMul"}) && context.IsConstant(context.Input(node, 1));
}

// The value that `value` is the average of, possibly scaled; kNone where it is none.
ValueId AveragedBy(const HazardContext& context, ValueId value, std::vector<NodeId>& way) {
  const ValueId inner = PastScales(context, value, way);
  const NodeId node = context.Producer(inner);
  if (!IsAverage(context, node)) return kNone;
  way.push_back(node);
  return context.Input(node, 0);
}

// E[xy]: the product, and the nodes between it and `value`.
std::optional<Product> MeanOfProduct(const HazardContext& context, ValueId value,
                                     std::vector<NodeId>& way) {
  const ValueId scaled = PastScales(context, value, way);
  const NodeId node = context.Producer(scaled);
  if (context.Op(node) == "ReduceSumSquare") {
    return Product{node, context.Input(node, 0), context.Input(node, 0)};
  }
  const ValueId averaged = AveragedBy(context, scaled, way);
  if (averaged == kNone) return std::nullopt;
  return ProductAt(context, context.Producer(PastScales(context, averaged, way)));
}

// E[x]E[y] of the factors given, and all nodes that make it.
bool IsProductOfMeans(const HazardContext& context, ValueId value, const Product& factors,
                      std::vector<NodeId>& way) {
  const ValueId scaled = PastScales(context, value, way);
  const auto product = ProductAt(context, context.Producer(scaled));
  if (!product) return false;
  way.push_back(product->node);
  const ValueId a = AveragedBy(context, product->a, way);
  const ValueId b = AveragedBy(context, product->b, way);
  if (a == kNone || b == kNone) return false;
  const std::pair<ValueId, ValueId> of = {context.Origin(factors.a), context.Origin(factors.b)};
  const std::pair<ValueId, ValueId> means = {context.Origin(a), context.Origin(b)};
  return means == of || (means.first == of.second && means.second == of.first);
}

// The sum or difference that `value` is, possibly scaled; kNone where it is none.
NodeId SumAt(const HazardContext& context, ValueId value, std::vector<NodeId>& way) {
  const NodeId node = context.Producer(PastScales(context, value, way));
  if (!context.IsOneOf(node, {"Add", "Sub"})) return kNone;
  way.push_back(node);
  return node;
}

// What both sums have as a term, and the difference of the two therefore has not: a grid's points
// in the width of a box. kNone where there is none.
ValueId CommonTerm(const HazardContext& context, NodeId a, NodeId b) {
  for (const int i : {0, 1}) {
    for (const int j : {0, 1}) {
      const bool subtracted = i == 1 && context.Op(a) == "Sub";
      if (subtracted != (j == 1 && context.Op(b) == "Sub")) continue;
      const ValueId term = context.Origin(context.Input(a, i));
      if (term != kNone && term == context.Origin(context.Input(b, j)) && !context.Scalar(term)) {
        return term;
      }
    }
  }
  return kNone;
}

void FindCommonTerms(HazardContext& context, NodeId difference) {
  std::vector<NodeId> way;
  const NodeId a = SumAt(context, context.Input(difference, 0), way);
  const NodeId b = SumAt(context, context.Input(difference, 1), way);
  if (a == kNone || b == kNone || a == b) return;
  const ValueId term = CommonTerm(context, a, b);
  if (term == kNone) return;
  const std::string why = absl::StrCat(context.QuoteValue(term), " is a term of both of which ",
                                       context.Quote(difference),
                                       " is the difference: what is left has the digits that the "
                                       "sums have lost to it");
  context.Report(difference, why);
  context.Report(way, why);
}

// Of either sign, and as a sum with one term negated.
bool IsDifferenceOfMeans(const HazardContext& context, NodeId node, std::vector<NodeId>& way) {
  ValueId terms[] = {context.Input(node, 0), context.Input(node, 1)};
  NodeId neg = kNone;
  if (context.Op(node) == "Add") {
    for (ValueId& term : terms) {
      const NodeId maker = context.Producer(term);
      if (neg != kNone || context.Op(maker) != "Neg") continue;
      neg = maker;
      term = context.Input(maker, 0);
    }
  }
  if (context.Op(node) != "Sub" && neg == kNone) return false;
  for (const int first : {0, 1}) {
    way.clear();
    if (neg != kNone) way.push_back(neg);
    const auto product = MeanOfProduct(context, terms[first], way);
    if (!product) continue;
    way.push_back(product->node);
    if (IsProductOfMeans(context, terms[1 - first], *product, way)) return true;
  }
  return false;
}

}  // namespace

// Both terms are about the square of the mean, and what is left of them the variance: where the
// mean is 40 deviations, each loses 11 bits.
void FindCancellations(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) == "Sub") FindCommonTerms(context, node);
    std::vector<NodeId> way;
    if (!IsDifferenceOfMeans(context, node, way)) continue;
    const std::string why =
        absl::StrCat("part of ", context.Quote(node),
                     ", a mean of products less a product of means: what is left of two large "
                     "numbers has the digits that they lost");
    context.Report(node, why);
    context.Report(way, why);
  }
}

}  // namespace onnxquant
