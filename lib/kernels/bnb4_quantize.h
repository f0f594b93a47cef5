// 4-bit floats with a scale for each block: the storage of com.microsoft.MatMulBnb4, as
// bitsandbytes has it.
//
// The weight B [K,N] of a product is transposed to [N,K] and then flattened. Blocks are cut from
// that, and go on from one row to the next where the block does not divide K. A block stores the
// largest magnitude of its values, and codes for the values divided by it: one of 16 levels from -1
// to 1. Two codes share a byte, the first in the high half.
//
// The bytes are those of ONNX Runtime's quantizer (quantize_matmul_bnb4, behind
// MatMulBnb4Quantizer).
#ifndef ONNXQUANT_LIB_KERNELS_BNB4_QUANTIZE_H_
#define ONNXQUANT_LIB_KERNELS_BNB4_QUANTIZE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

// The operator's attribute quant_type. NF4: levels of which a normal distribution fills each alike.
// FP4: a sign, two bits of exponent, one of fraction.
enum class Bnb4Type { kFp4 = 0, kNf4 = 1 };

struct Bnb4Format {
  Bnb4Type type = Bnb4Type::kNf4;
  std::size_t block = 64;                 // a power of two from 16 to 256
  ScaleType scale = ScaleType::kFloat32;  // the weight's own type
};

// What the codes 0 to 15 stand for.
const std::array<float, 16>& Bnb4Levels(Bnb4Type type);

// Sizes for a weight, or a run of one, of `count` values.
struct Bnb4Sizes {
  std::size_t data_bytes;    // ceil(count / 2)
  std::size_t absmax_count;  // ceil(count / block)
};
Bnb4Sizes Bnb4SizesOf(const Bnb4Format& format, std::size_t count);

// Only the absmax that the format asks for is written; the other span may be empty.
struct Bnb4Output {
  absl::Span<std::uint8_t> data;
  absl::Span<float> absmax_f32;
  absl::Span<std::uint16_t> absmax_f16;  // fp16 bits
};

// A weight is quantized in one of two ways, both in bounded memory:
//
// From [N,K], or if the block does not divide K: QuantizeBnb4 takes any run of the flattened [N,K]
// that starts at a multiple of the block and ends at one, or at the end of the weight. What starts
// at value v (a multiple of the block) belongs at data byte v / 2 and absmax v / block. From a
// source [K,N], take groups of columns, each beginning at a multiple of Bnb4ColumnStep(block, K),
// and TransposeRows them: a group is K * (its columns) values.
//
// From [K,N] if the block divides K: QuantizeBnb4Columns takes tiles of whole rows.

// Arithmetic is float32, each operation rounded. With m the block's largest magnitude (NaN left
// out), absmax is m rounded to the format's type, r = 1 / m (0 if m is 0), from m before it is
// rounded; the code is that of v * r: the number of NF4's thresholds that are less, the nearest
// magnitude of FP4 with a sign. NaN has code 0, as has each value of a block of which 1 / m is
// infinite, if it is 0; an infinity makes m infinite, itself code 0, and finite values zeros. A
// block of zeros has absmax 0 and codes of zero: 7 of NF4, 0 of FP4. An odd last code's partner is
// that of zero. Spans of other sizes than Bnb4SizesOf gives end the program.
void QuantizeBnb4(const Bnb4Format& format, absl::Span<const float> values,
                  const Bnb4Output& output);

// `rows` is a tile [k, n] of whole rows of [K,N]; K and k are multiples of the block, and so is the
// tile's first row. data is [n, k / 2], absmax [n, k / block]: row n's part belongs at data byte
// (n * K + first row) / 2 and at absmax (n * K + first row) / block.
void QuantizeBnb4Columns(const Bnb4Format& format, absl::Span<const float> rows, std::size_t k,
                         std::size_t n, const Bnb4Output& output);

// The least number of columns of [K,N] after which the flattened [N,K] is at a block's start:
// block / gcd(block, k).
std::size_t Bnb4ColumnStep(std::size_t block, std::size_t k);

// [rows, columns] to [columns, rows].
void TransposeRows(absl::Span<const float> values, std::size_t rows, std::size_t columns,
                   absl::Span<float> transposed);

// values = level of the code * absmax (fp16 widened), in float32: a run as QuantizeBnb4 takes it.
void DequantizeBnb4(const Bnb4Format& format, absl::Span<const std::uint8_t> data,
                    absl::Span<const float> absmax, absl::Span<float> values);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_BNB4_QUANTIZE_H_
