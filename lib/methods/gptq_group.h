// What GPTQ's passes over a group of rows read and write.
#ifndef ONNXQUANT_LIB_METHODS_GPTQ_GROUP_H_
#define ONNXQUANT_LIB_METHODS_GPTQ_GROUP_H_

#include <cstddef>

#include "hwy/aligned_allocator.h"
#include "lib/methods/group.h"

namespace onnxquant::methods {

// As many as there are.
inline constexpr std::size_t kMostCandidates = std::size_t{3} * Shrinks::kCount;

struct GptqProblem {
  GridNumbers grid;
  GroupSizes sizes;
  const float* moments;
  const float* factor;
  std::size_t candidates;
  int refinements;
};

class GptqScratch {
 public:
  using Floats = hwy::AlignedFreeUniquePtr<float[]>;

  explicit GptqScratch(const GroupSizes& sizes)
      : residuals(hwy::AllocateAligned<float>(sizes.columns * kGroup)),
        block(hwy::AllocateAligned<float>(Height(sizes) * kGroup)),
        x(hwy::AllocateAligned<float>(Height(sizes) * kMostLanes)),
        codes(hwy::AllocateAligned<float>(Height(sizes) * kMostLanes)),
        errors(hwy::AllocateAligned<float>(Height(sizes) * kMostLanes)),
        tile(hwy::AllocateAligned<float>(Height(sizes) * Height(sizes))),
        diagonal(hwy::AllocateAligned<float>(Height(sizes))),
        importance(hwy::AllocateAligned<float>(Height(sizes))),
        gradients(hwy::AllocateAligned<float>(sizes.blocks * kGroup)),
        steps(hwy::AllocateAligned<float>(sizes.blocks * kMostLanes)),
        system(hwy::AllocateAligned<float>(Triangle(sizes.blocks) * kGroup)) {}

  static std::size_t Triangle(std::size_t size) { return size * (size + 1) / 2; }
  static std::size_t Bytes(const GroupSizes& sizes) {
    const std::size_t height = Height(sizes);
    return sizeof(float) *
           (sizes.columns * kGroup + height * (kGroup + 3 * kMostLanes + height + 2) +
            sizes.blocks * (kGroup + kMostLanes) + Triangle(sizes.blocks) * kGroup);
  }

  Floats residuals;  // [columns, kGroup]: first what feedback passed on, then weights - values
  Floats block;      // [block, kGroup]
  Floats x, codes, errors;      // [block, lanes]
  Floats tile;                  // [block, block] of U or of H
  Floats diagonal, importance;  // [block]
  Floats gradients;             // [blocks, kGroup]: c^T H r of each block
  Floats steps;                 // [blocks, lanes]
  // The normal equations of the scales: for each vector of rows, the lower triangle by rows.
  Floats system;

 private:
  static constexpr std::size_t kMostLanes = 16;

  static std::size_t Height(const GroupSizes& sizes) {
    return std::min(sizes.block, sizes.columns);
  }
};

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_GPTQ_GROUP_H_
