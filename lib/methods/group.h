// A group of rows of weights, transposed so that its rows lie side by side; the last rows may be
// padding, which is all zeros.
#ifndef ONNXQUANT_LIB_METHODS_GROUP_H_
#define ONNXQUANT_LIB_METHODS_GROUP_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "hwy/aligned_allocator.h"
#include "lib/methods/grid.h"

namespace onnxquant::methods {

inline constexpr std::size_t kGroup = 64;

// A grid in the numbers that inner loops compute with.
struct GridNumbers {
  bool symmetric, half_scales;
  float highest, middle, least_scale;
  Shrinks shrinks;

  explicit GridNumbers(const Grid& grid)
      : symmetric(grid.symmetric),
        half_scales(grid.half_scales),
        highest(static_cast<float>(grid.HighestCode())),
        middle(static_cast<float>(grid.MiddleCode())),
        least_scale(LeastScale(grid)),
        shrinks(ShrinksOf(grid)) {}
};

inline bool IsValid(const Grid& grid) {
  return (grid.bits == 2 || grid.bits == 4 || grid.bits == 8) && grid.block > 0;
}

struct GroupSizes {
  std::size_t columns, block, blocks;

  GroupSizes(const Grid& grid, std::int64_t k)
      : columns(static_cast<std::size_t>(k)),
        block(static_cast<std::size_t>(grid.block)),
        blocks(static_cast<std::size_t>(grid.BlocksOf(k))) {}
  std::size_t BlockSize(std::size_t b) const { return std::min(block, columns - b * block); }
};

// All row-major, kGroup wide.
struct Group {
  hwy::AlignedFreeUniquePtr<float[]> weights;  // [columns]
  hwy::AlignedFreeUniquePtr<float[]> codes;    // [columns], less the zero point
  hwy::AlignedFreeUniquePtr<float[]> scales;   // [blocks]
  hwy::AlignedFreeUniquePtr<float[]> zeros;    // [blocks]

  explicit Group(const GroupSizes& sizes)
      : weights(hwy::AllocateAligned<float>(sizes.columns * kGroup)),
        codes(hwy::AllocateAligned<float>(sizes.columns * kGroup)),
        scales(hwy::AllocateAligned<float>(sizes.blocks * kGroup)),
        zeros(hwy::AllocateAligned<float>(sizes.blocks * kGroup)) {}

  static std::size_t Bytes(const GroupSizes& sizes) {
    return 2 * (sizes.columns + sizes.blocks) * kGroup * sizeof(float);
  }
};

// `count` rows from `rows`.
void LoadGroup(const GroupSizes& sizes, const float* rows, std::size_t count, Group& group);
// Its rows are those from `first` on of `codes`.
void StoreGroup(const Grid& grid, const GroupSizes& sizes, const Group& group, std::size_t first,
                std::size_t count, Codes& codes);

// Of the sizes that `rows` rows have.
Codes EmptyCodes(const GroupSizes& sizes, std::size_t rows);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_GROUP_H_
