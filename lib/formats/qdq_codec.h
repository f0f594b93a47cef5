// Codes in the constant's own shape, packed flat, with scales for blocks, channels or all of it:
// what DequantizeLinear reads.
#ifndef ONNXQUANT_LIB_FORMATS_QDQ_CODEC_H_
#define ONNXQUANT_LIB_FORMATS_QDQ_CODEC_H_

#include <memory>

#include "lib/formats/codec.h"
#include "lib/formats/format.h"

namespace onnxquant {

// Three parts: codes, scales and, of unsigned codes, zero points, packed as the codes are.
std::unique_ptr<Codec> MakeQdqCodec(const Stored& stored, const CodecContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_QDQ_CODEC_H_
