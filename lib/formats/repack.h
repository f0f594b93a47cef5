// Numbers of a matrix [K,N] or [N,K] that stay as they are and get other places: each n's after one
// another along K, as MatMulNBits reads codes, their scales and their zero points.
#ifndef ONNXQUANT_LIB_FORMATS_REPACK_H_
#define ONNXQUANT_LIB_FORMATS_REPACK_H_

#include <cstdint>
#include <memory>

#include "lib/formats/codec.h"
#include "lib/model/element_type.h"

namespace onnxquant {

struct Repack {
  // Of a code, which are packed flat, low bits first; 0: floats, which are rounded to `type`.
  int bits = 0;
  bool is_signed = false;  // codes of two's complement, which become unsigned: + 2^(bits - 1)
  std::int64_t k = 0;
  std::int64_t n = 0;
  bool transposed = false;     // the source is [N,K]
  std::int64_t row_bytes = 0;  // of an n's codes in the output; what they do not fill is zero
  ElementType type = ElementType::kUint8;
  bool operator==(const Repack&) const = default;
};

// Tiles hold all of K, in whole bytes. Where rows of the source do not end with a byte, the output
// is held until the last tile: this is for zero points, not for codes.
std::unique_ptr<Codec> MakeRepackCodec(const Repack& repack, const CodecContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_REPACK_H_
