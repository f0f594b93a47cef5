// The grid on which the values of a weight lie that was made of codes: a QAT checkpoint's, a
// GGUF's.
#ifndef ONNXQUANT_LIB_LATTICE_LATTICE_H_
#define ONNXQUANT_LIB_LATTICE_LATTICE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/methods/method.h"

namespace onnxquant {

struct Lattice {
  enum class Kind {
    kSymmetric,  // integers times a scale, of which as many bits as are said have room for a sign
    kZeroPoint,  // the same, with fewer bits where 0 may be any of the codes
    kMinimum,    // steps from a minimum that is no multiple of the scale
  };
  Kind kind = Kind::kSymmetric;
  int axis = 0;             // of the weight's dims: along which the blocks lie
  std::int64_t block = 0;   // values that share a scale; 0: all along the axis
  int bits = 0;             // the fewest that hold the codes of every exact block, as `kind` says
  int symmetric_bits = 0;   // 1 … 9; of kMinimum 0
  int zero_point_bits = 0;  // likewise
  // After scale times code each value was rounded to this type.
  methods::Rounding rounding = methods::Rounding::kFloat;
  bool half_scales = false;  // every scale is a float16 number
  bool one_scale = false;    // there is one scale for all
  float least_scale = 0;     // of blocks that are not all zero
  float most_scale = 0;
  std::uint64_t blocks = 0;
  std::uint64_t exact = 0;  // blocks of which every value is where the grid has it
  bool operator==(const Lattice&) const = default;
};

absl::string_view NameOf(Lattice::Kind kind);          // "symmetric", "zero_point", "minimum"
absl::string_view NameOf(methods::Rounding rounding);  // "float32", "float16", "bfloat16"

// The quantization that leaves such values, "Q5_0" of GGUF's; "" where none does.
absl::string_view LikelySource(const Lattice& lattice);

// "5 bits in blocks of 32, symmetric, float16 scales, exact after rounding to bfloat16; in 99.2 %
// of blocks".
std::string ToString(const Lattice& lattice);

// Codes in blocks as formats of ours have them.
struct BlockGrid {
  int bits = 0;  // 2, 4 or 8
  std::int64_t block = 32;
  bool symmetric = true;
  bool operator==(const BlockGrid&) const = default;
};
std::string ToString(const BlockGrid& grid);  // "int8 block 32 symmetric"

// That of the fewest bits, up to `most_bits`, and of these without zero points if possible, that
// holds every value of the lattice: in blocks of `block`, or of the lattice's own where those are
// smaller. Nothing: there is none.
std::optional<BlockGrid> GridThatHolds(const Lattice& lattice, int most_bits, std::int64_t block);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_LATTICE_LATTICE_H_
