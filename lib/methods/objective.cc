#include "lib/methods/objective.h"

#include <algorithm>
#include <cstddef>

#include "hwy/aligned_allocator.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/methods/objective.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/methods/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {

void MultiplySimd(std::size_t m, std::size_t n, std::size_t k, const float* a, const float* b,
                  float* c) {
  Product<false>(m, n, k, {a, k}, {b, n}, c, n);
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::methods {

HWY_EXPORT(MultiplySimd);

double Objective(absl::Span<const float> weights, absl::Span<const float> values, std::int64_t k,
                 absl::Span<const float> moments) {
  constexpr std::size_t kGroup = 64;  // rows of weights at a time
  constexpr std::size_t kStrip = 64;  // rows of H at a time
  const auto columns = static_cast<std::size_t>(k);
  HWY_ASSERT(k > 0 && weights.size() % columns == 0 && moments.size() == columns * columns);
  HWY_ASSERT(values.empty() || values.size() == weights.size());
  const std::size_t rows = weights.size() / columns;
  auto differences = hwy::AllocateAligned<float>(columns * kGroup);
  auto products = hwy::AllocateAligned<float>(kStrip * kGroup);
  double sum = 0;
  for (std::size_t first = 0; first < rows; first += kGroup) {
    const std::size_t count = std::min(kGroup, rows - first);
    std::fill_n(differences.get(), columns * kGroup, 0.0F);
    for (std::size_t row = 0; row < count; ++row) {
      for (std::size_t i = 0; i < columns; ++i) {
        const std::size_t at = (first + row) * columns + i;
        differences[i * kGroup + row] = weights[at] - (values.empty() ? 0.0F : values[at]);
      }
    }
    for (std::size_t strip = 0; strip < columns; strip += kStrip) {
      const std::size_t height = std::min(kStrip, columns - strip);
      std::fill_n(products.get(), kStrip * kGroup, 0.0F);
      HWY_DYNAMIC_DISPATCH(MultiplySimd)
      (height, kGroup, columns, moments.data() + strip * columns, differences.get(),
       products.get());
      for (std::size_t i = 0; i < height * kGroup; ++i) {
        sum += double{products[i]} * double{differences[strip * kGroup + i]};
      }
    }
  }
  return sum;
}

}  // namespace onnxquant::methods
#endif  // HWY_ONCE
