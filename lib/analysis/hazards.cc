#include "lib/analysis/hazards.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr InHalf kRight = InHalf::kRight, kCoarse = InHalf::kCoarse, kDepends = InHalf::kDepends,
                 kWrong = InHalf::kWrong;

// names[i] is found by finders[i].
constexpr HazardName kNames[] = {
    {"decomposed_norm", "a norm spelt as square, mean, root and division: the square overflows",
     kWrong, kCoarse},
    {"cancellation", "a mean of products less a product of means: what is left has lost its digits",
     kDepends, kDepends},
    {"exp_sum",
     "exponentials that are summed, or divided by each other: they overflow above 11, small ones "
     "get lost",
     kDepends, kCoarse},
    {"small_eps", "a constant below 6.1e-05 that keeps a division, root or logarithm from zero",
     kWrong},
    {"near_zero", "a logarithm, root or reciprocal of what may be (or round to) zero"},
    {"long_reduction",
     "a sum or mean over more than 2048 elements, or of no known length; running sums", kDepends,
     kDepends},
    {"angle", "sines and cosines of angles that may be large, and what makes the angles", kDepends,
     kDepends},
    {"coordinates", "positions at which pictures are sampled, and boxes that are compared",
     kDepends, kDepends},
    {"integer_arithmetic", "positions, sizes and counts in float: float16 is exact up to 2048",
     kDepends, kDepends},
    {"accumulating_loop", "a loop that adds to (or multiplies) what it carries", kDepends,
     kDepends},
    {"small_constant", "a factor or divisor below 6.1e-05", kWrong},
    {"large_constant", "a factor, divisor or limit beyond 65504", kWrong},
    {"mask_fill", "a constant beyond 65504 that fills masks: see the field 'constants'", kRight},
    {"spectrum",
     "filters or a Fourier transform of which the power is taken: not for 8-bit activations",
     kRight},
    {"transpose_fusion", "a Transpose into a MatMul whose fusion crashes ONNX Runtime", kWrong,
     kRight, HazardTarget::kCpu},
};
constexpr void (*kFinders[])(HazardContext&) = {
    FindDecomposedNorms,   FindCancellations,     FindExpSums,          FindSmallEps,
    FindNearZero,          FindLongReductions,    FindAngles,           FindCoordinates,
    FindIntegerArithmetic, FindAccumulatingLoops, FindSmallConstants,   FindLargeConstants,
    FindMaskFills,         FindSpectra,           FindTransposeFusions,
};
static_assert(std::size(kNames) == std::size(kFinders));

}  // namespace

absl::Span<const HazardName> HazardNames() {
  return kNames;
}

bool IsNamedBy(const std::string& word, const HazardName& hazard) {
  if (word == kHazardsOfFloat16) return hazard.in_float16 != kRight;
  if (word == kHazardsOfBFloat16) return hazard.in_bfloat16 != kRight;
  return word == kAnyHazard || word == hazard.name;
}

std::vector<Hazard> FindHazards(const Graph& graph, const ValueTypes& types) {
  HazardContext context(graph, types);
  IdVector<std::vector<Hazard>> by_node(graph.nodes().size());
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    kFinders[i](context);
    for (auto& [node, why] : context.TakeReports()) {
      by_node[node].push_back({node, &kNames[i], std::move(why)});
    }
  }
  std::vector<Hazard> hazards;
  for (std::vector<Hazard>& of_node : by_node) {
    for (Hazard& hazard : of_node) hazards.push_back(std::move(hazard));
  }
  return hazards;
}

absl::Span<const Hazard> HazardsOf(absl::Span<const Hazard> hazards, NodeId node) {
  const auto before = [](const Hazard& hazard, NodeId id) { return hazard.node < id; };
  const auto first = std::lower_bound(hazards.begin(), hazards.end(), node, before);
  const auto last = std::lower_bound(first, hazards.end(), node + 1, before);
  return hazards.subspan(static_cast<std::size_t>(first - hazards.begin()),
                         static_cast<std::size_t>(last - first));
}

}  // namespace onnxquant
