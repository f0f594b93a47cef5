// cancellation: a mean of products less a product of means.
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 8;

// A sum or mean of products: what is multiplied, in order of its ids, and the nodes that do it.
struct Moment {
  std::vector<ValueId> factors;
  std::vector<NodeId> way;
};
constexpr std::size_t kMostFactors = 16;

bool IsContraction(const HazardContext& context, NodeId node) {
  return context.IsOneOf(node, {"MatMul", "Gemm", "Einsum"});
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

enum class Divisors { kKnown, kAny };  // constants and counts alone, or computed numbers too

// The way from a value back to what makes it, through what moves or scales it.
ValueId PastScales(const HazardContext& context, ValueId value, std::vector<NodeId>& way,
                   Divisors divisors = Divisors::kKnown) {
  for (int i = 0; i < kLongestWay; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return value;
    int next = 0;
    if (context.IsOneOf(node, {"Mul", "Div"})) {
      const bool divides = context.Op(node) == "Div";
      const auto scales = [&](int input) {
        const ValueId factor = context.Input(node, input);
        return context.IsConstant(factor) || IsCount(context, factor) ||
               (divides && divisors == Divisors::kAny);
      };
      if (!scales(1) && (divides || !scales(0))) return value;
      next = scales(1) ? 0 : 1;
    } else if (!context.IsMover(node)) {
      return value;
    }
    way.push_back(node);
    value = context.Input(node, next);
  }
  return value;
}

// Takes apart a product down to what is none; false where it has too many factors. Constants scale
// it.
bool AddFactors(const HazardContext& context, ValueId value, Moment& moment) {
  if (moment.factors.size() >= kMostFactors) return false;
  std::vector<NodeId> way;
  const ValueId scaled = PastScales(context, value, way);
  const NodeId node = context.Producer(scaled);
  const bool square = node != kNone && context.IsSquare(node);
  if (!square && context.Op(node) != "Mul") {
    moment.factors.push_back(scaled);
    return true;
  }
  way.push_back(node);
  moment.way.insert(moment.way.end(), way.begin(), way.end());
  const ValueId first = context.Input(node, 0);
  return AddFactors(context, first, moment) &&
         AddFactors(context, square ? first : context.Input(node, 1), moment);
}

// What a node sums up or averages, over axes, a window, or by a product with weights.
std::optional<Moment> MomentAt(const HazardContext& context, ValueId value) {
  Moment moment;
  const NodeId node = context.Producer(PastScales(context, value, moment.way, Divisors::kAny));
  std::vector<ValueId> summed;
  if (context.IsOneOf(node, {"ReduceMean", "ReduceSum", "AveragePool", "GlobalAveragePool"})) {
    summed = {context.Input(node, 0)};
  } else if (context.Op(node) == "ReduceSumSquare") {
    summed = {context.Input(node, 0), context.Input(node, 0)};
  } else if (IsContraction(context, node) ||
             (context.Op(node) == "Conv" && context.IsConstant(context.Input(node, 1)))) {
    for (const int input : {0, 1}) {
      const ValueId operand = context.Input(node, input);
      if (!context.IsConstant(operand)) summed.push_back(operand);
    }
  }
  if (summed.empty()) return std::nullopt;
  moment.way.push_back(node);
  for (const ValueId operand : summed) {
    if (operand == kNone || !AddFactors(context, operand, moment)) return std::nullopt;
  }
  std::sort(moment.factors.begin(), moment.factors.end());
  return moment;
}

// The two means of a product of such.
struct Means {
  Moment a;
  Moment b;
  std::vector<NodeId> way;
};

std::optional<Means> ProductOfMeans(const HazardContext& context, ValueId value) {
  Means means;
  const ValueId scaled = PastScales(context, value, means.way, Divisors::kAny);
  const NodeId node = context.Producer(scaled);
  if (node == kNone) return std::nullopt;
  const bool square = context.IsSquare(node);
  if (!square && context.Op(node) != "Mul" && !IsContraction(context, node)) return std::nullopt;
  std::optional<Moment> a = MomentAt(context, context.Input(node, 0));
  std::optional<Moment> b = square ? a : MomentAt(context, context.Input(node, 1));
  if (!a || !b) return std::nullopt;
  means.way.push_back(node);
  means.a = *std::move(a);
  means.b = *std::move(b);
  return means;
}

// Whether E[wxy] and E[wx]E[wy] are of the same x and y, and of the same weights w, or none.
bool AreOfTheSame(const Moment& moment, const Means& means) {
  const std::vector<ValueId>&a = means.a.factors, &b = means.b.factors, &of = moment.factors;
  std::vector<ValueId> both, weights;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  if (!std::includes(both.begin(), both.end(), of.begin(), of.end())) return false;
  std::set_difference(both.begin(), both.end(), of.begin(), of.end(), std::back_inserter(weights));
  const auto has_weights = [&weights](const std::vector<ValueId>& factors) {
    return factors.size() > weights.size() &&
           std::includes(factors.begin(), factors.end(), weights.begin(), weights.end());
  };
  return has_weights(a) && has_weights(b);
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
    const std::optional<Moment> moment = MomentAt(context, terms[first]);
    if (!moment) continue;
    const std::optional<Means> means = ProductOfMeans(context, terms[1 - first]);
    if (!means || !AreOfTheSame(*moment, *means)) continue;
    if (neg != kNone) way.push_back(neg);
    // What makes an x that is squared is no part of it, though it be a product as well.
    const auto makes_x = [&moment](NodeId maker) {
      return std::count(moment->way.begin(), moment->way.end(), maker) > 1;
    };
    for (const std::vector<NodeId>* more :
         {&moment->way, &means->a.way, &means->b.way, &means->way}) {
      std::remove_copy_if(more->begin(), more->end(), std::back_inserter(way), makes_x);
    }
    return true;
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
