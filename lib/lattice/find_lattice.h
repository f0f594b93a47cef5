// Finds the grid on which a weight's values lie.
#ifndef ONNXQUANT_LIB_LATTICE_FIND_LATTICE_H_
#define ONNXQUANT_LIB_LATTICE_FIND_LATTICE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "lib/lattice/lattice.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// Weights of fewer elements are not looked at.
inline constexpr std::int64_t kFewestOnLattice = 256;

// Grids are tried on a few blocks, those with the longest blocks first (all along an axis, 256 …
// 16), then the first that holds is held against every value. Of two axes `preferred` (-1: the last
// one) is tried first. Nothing: most blocks lie on none. The same for every number of threads (0:
// one per core). Memory: some megabytes for each thread, whatever the weight. Reads float32,
// float16 and bfloat16; `payload` is mapped, and read once or twice where a grid is found, else in
// a few places.
std::optional<Lattice> FindLattice(absl::Span<const std::byte> payload, ElementType type,
                                   absl::Span<const std::int64_t> dims, int preferred = -1,
                                   int threads = 0);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_LATTICE_FIND_LATTICE_H_
