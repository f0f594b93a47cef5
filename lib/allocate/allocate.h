// Which of its formats each weight gets, so that all together take no more bytes than there are.
#ifndef ONNXQUANT_LIB_ALLOCATE_ALLOCATE_H_
#define ONNXQUANT_LIB_ALLOCATE_ALLOCATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant {

// One way to store an item. What costs mean is the caller's affair: they are added up.
struct AllocationOption {
  std::uint64_t bytes = 0;
  double cost = 0;  // finite, not negative
};

// What gets one of its options as a whole: a weight, or several that share their codes.
struct AllocationItem {
  std::vector<AllocationOption> options;  // at least one
};

struct Allocation {
  std::vector<std::size_t> chosen;  // by item: an index of its options
  std::uint64_t bytes = 0;          // in all
  double cost = 0;
};

// The least cost within `bytes`; nothing where the items' smallest options take more. All
// combinations of the largest items' options are tried, up to 64; the others are chosen along their
// hulls by what a byte brings, and what is left is tried on those whose worth is nearest to what
// decides (the core of the knapsack): mostly the least cost, else not far from it. Ties go to the
// earlier item. O(n log n) in the number of options.
std::optional<Allocation> AllocateWithin(absl::Span<const AllocationItem> items,
                                         std::uint64_t bytes);

// The fewest bytes at no more than `cost`, likewise; nothing where all items' dearest options cost
// more.
std::optional<Allocation> AllocateFor(absl::Span<const AllocationItem> items, double cost);

// The lower convex hull of what can be had, from the fewest bytes to the least cost: each point
// differs from the one before in one item.
struct FrontPoint {
  std::uint64_t bytes = 0;
  double cost = 0;
};
std::vector<FrontPoint> FrontOf(absl::Span<const AllocationItem> items);

// The same, and at `sizes` sizes spread evenly between its ends what AllocateWithin finds where
// that costs less than the hull's next smaller point: a large item leaves gaps in the hull.
std::vector<FrontPoint> FilledFrontOf(absl::Span<const AllocationItem> items, std::size_t sizes);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ALLOCATE_ALLOCATE_H_
