#include "lib/methods/gptq.h"

#include <algorithm>

#include "lib/methods/gptq_group.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/methods/gptq.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/methods/feedback-inl.h"
#include "lib/methods/refine-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {

void GptqSimd(const GptqProblem& problem, Group& group, GptqScratch& scratch) {
  Feedback(problem, group, scratch);
  if (problem.refinements > 0) Refine(problem, group, scratch);
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::methods {

HWY_EXPORT(GptqSimd);

static_assert(kGroupRows == std::int64_t{kGroup});

Codes Gptq(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
           const Factors& factors, const GptqOptions& options) {
  HWY_ASSERT(IsValid(grid) && k > 0 && k == factors.k);
  const GroupSizes sizes(grid, k);
  HWY_ASSERT(weights.size() % sizes.columns == 0);
  const std::size_t rows = weights.size() / sizes.columns;
  const GptqProblem problem{
      GridNumbers(grid),
      sizes,
      factors.moments.data(),
      factors.factor.data(),
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(options.candidates, 1)), 1,
                              kMostCandidates),
      options.refinements};
  Group group(sizes);
  GptqScratch scratch(sizes);
  Codes codes = EmptyCodes(sizes, rows);
  for (std::size_t first = 0; first < rows; first += kGroup) {
    const std::size_t count = std::min(kGroup, rows - first);
    LoadGroup(sizes, weights.data() + first * sizes.columns, count, group);
    HWY_DYNAMIC_DISPATCH(GptqSimd)(problem, group, scratch);
    StoreGroup(grid, sizes, group, first, count, codes);
  }
  return codes;
}

std::size_t GptqScratchBytes(const Grid& grid, std::int64_t n, std::int64_t k) {
  const GroupSizes sizes(grid, k);
  const std::size_t rows = static_cast<std::size_t>(n);
  return Group::Bytes(sizes) + GptqScratch::Bytes(sizes) +
         rows * (sizes.columns + sizes.blocks * (sizeof(float) + 1));
}

}  // namespace onnxquant::methods
#endif  // HWY_ONCE
