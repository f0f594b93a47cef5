// Codes in blocks along K, each block with a scale: what MatMulNBits and GatherBlockQuantized read.
#ifndef ONNXQUANT_LIB_FORMATS_BLOCK_CODEC_H_
#define ONNXQUANT_LIB_FORMATS_BLOCK_CODEC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/formats/codec.h"
#include "lib/formats/format.h"
#include "lib/formats/node_sink.h"

namespace onnxquant {

inline constexpr FormatWord kBlockWords[] = {{"int2", 2}, {"int4", 4}, {"int8", 8}};
inline constexpr Parameter kBlockParameters[] = {Parameter::kBlock, Parameter::kSymmetric,
                                                 Parameter::kSource};

// Blocks along K.
std::int64_t BlocksOf(const Stored& stored);

// Bytes of an n's zero points, which are packed, and begin at a byte.
std::int64_t ZeroPointBytesOf(const Stored& stored);

// "_Q4", as ONNX Runtime names codes of 4 bits.
absl::string_view CodesSuffix(int bits);

// The dims of codes that products read: [N, blocks, block * bits / 8].
std::vector<std::int64_t> ProductCodesDims(const Stored& stored);

// The three parts below, of which the codes have these dims. Scales and zero points have two
// dimensions, as ONNX Runtime's quantizer writes them from 1.24 on.
std::vector<StoredTensor> BlockTensors(const Stored& stored, std::vector<std::int64_t> codes_dims);

std::vector<StoredTensor> ProductTensors(const Stored& stored);

// Equal where the three parts are, whichever operator reads them.
std::string BlockCodesKey(const Stored& stored);

// The name under which codes are read that a reader wants in these dims: their own, or that of a
// Reshape where another reader's form stores them.
std::string CodesInShape(const Stored& stored, const std::string& codes,
                         absl::Span<const std::int64_t> dims, NodeSink& sink);

// Why blocks cannot be read in the type that the reader computes in; "" where they can.
std::string WhyNotInBlocks(const WeightReading& reading);

// Why MatMulNBits does not multiply with N columns of K numbers in these blocks; "" where it does.
std::string WhyNoProductOfBlocks(std::int64_t k, std::int64_t n, std::int64_t block);

// Makes `node`, which has a name and an output, the com.microsoft MatMulNBits of the left operand
// with the parts. `codes` are names[0] as CodesInShape() gives them. Attributes are in the order in
// which ONNX Runtime's MatMulNBitsQuantizer writes them.
void MultiplyByBlocks(const Stored& stored, const std::string& left, const std::string& codes,
                      absl::Span<const std::string> names, onnx::NodeProto& node, NodeSink& sink);

// Three parts: codes [N, blocks, block * bits / 8], scales [N, blocks] and, of an asymmetric
// format, zero points [N, ceil(blocks * bits / 8)].
std::unique_ptr<Codec> MakeBlockCodec(const Stored& stored, const CodecContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_BLOCK_CODEC_H_
