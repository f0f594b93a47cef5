// Codes of 8 bits with one scale for a constant, or one for each of its channels: what ONNX's
// integer operators read, after onnxruntime.quantization's quantize_dynamic.
#ifndef ONNXQUANT_LIB_FORMATS_INTEGER_CODEC_H_
#define ONNXQUANT_LIB_FORMATS_INTEGER_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/formats/codec.h"
#include "lib/formats/format.h"
#include "lib/formats/node_sink.h"
#include "lib/kernels/integer_quantize.h"

namespace onnxquant {

// As dynamic_uint8, but for what has a form of its own (dequantized_table.cc).
inline constexpr FormatWord kQuantizeDynamicWord = {
    .word = "quantize_dynamic", .bits = 8, .is_signed = false, .symmetric = false};
inline constexpr FormatWord kIntegerWords[] = {
    {.word = "dynamic_uint8", .bits = 8, .is_signed = false, .symmetric = false},
    {.word = "dynamic_int8", .bits = 8, .is_signed = true, .symmetric = true},
    kQuantizeDynamicWord,
};
inline constexpr Parameter kIntegerParameters[] = {Parameter::kSymmetric, Parameter::kPerChannel,
                                                   Parameter::kReduceRange};

// Codes in the constant's own shape, scale and zero point; of several channels, those have the dims
// given: as many numbers as there are channels.
std::vector<StoredTensor> IntegerTensors(const Stored& stored,
                                         const std::vector<std::int64_t>& scale_dims,
                                         const std::vector<std::int64_t>& zero_point_dims);

// The second and third of those parts; of the zero points only the first so many.
absl::Status WriteIntegerScales(const PartSink& sink, absl::Span<const kernels::IntegerScale> all,
                                std::size_t zero_points_stored);

// The codes' transpose, which is folded when the model is loaded; the node is emitted once.
std::string TransposedCodes(const std::string& codes, NodeSink& sink);

// Equal where the three parts are, of an operator that has a zero point for each scale.
std::string IntegerCodesKey(const Stored& stored);

// For those three parts, the latter two of one number or of N. It sees the constant twice: the
// range of all values decides how each is stored.
std::unique_ptr<Codec> MakeIntegerCodec(const Stored& stored, const CodecContext& context);

kernels::IntegerFormat IntegerKernelFormat(const WeightFormat& format);

// The zero point of symmetric codes.
int MiddleOf(const kernels::IntegerFormat& format);

// The scale of each range; an error that names the constant for one that no scale can carry.
absl::StatusOr<std::vector<kernels::IntegerScale>> IntegerScalesOf(
    const kernels::IntegerFormat& format, absl::Span<const kernels::ValueRange> ranges,
    const std::string& what);

// An activation in 8 bits, as DynamicQuantizeLinear makes it; the node is emitted once.
struct DynamicCodes {
  std::string codes;
  std::string scale;
  std::string zero_point;
};
DynamicCodes QuantizeDynamically(const std::string& value, NodeSink& sink);

// value * scale, of int32 sums of products: a Cast and two Muls, as ONNX Runtime's fusions expect
// them; `last` becomes the second Mul, which gives the output that it has.
void Dequantize(const std::string& sums, const std::string& a_scale, const std::string& b_scale,
                onnx::NodeProto& last, NodeSink& sink);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_INTEGER_CODEC_H_
