// Floats as floats: byte for byte, or in another type.
#ifndef ONNXQUANT_LIB_FORMATS_FLOATS_H_
#define ONNXQUANT_LIB_FORMATS_FLOATS_H_

#include <memory>

#include "lib/formats/codec.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// Of any type, to one tensor of the constant's shape.
std::unique_ptr<Codec> MakeCopyCodec(const CodecContext& context);

// To float64, float32, float16 or bfloat16: one tensor of the constant's shape.
std::unique_ptr<Codec> MakeFloatCodec(ElementType type, const CodecContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_FLOATS_H_
