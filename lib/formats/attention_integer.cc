// com.microsoft QAttention: activations in 8 bits, quantized when the model runs, times an
// Attention's weights of queries, keys and values in 8 bits.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"com.microsoft::Attention"};
constexpr int kWeights = 1;
constexpr int kBias = 2;
constexpr int kMask = 3;
constexpr int kPast = 4;
// What QAttention has of Attention's attributes.
constexpr absl::string_view kAttributes[] = {"num_heads", "unidirectional", "scale",
                                             "mask_filter_value", "past_present_share_buffer"};

std::string InputOf(const onnx::NodeProto& node, int input) {
  return input < node.input_size() ? node.input(input) : std::string();
}

// What QAttention lacks of it; "" for nothing.
std::string Lacking(const onnx::NodeProto& node) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    const bool knows = std::find(std::begin(kAttributes), std::end(kAttributes),
                                 attribute.name()) != std::end(kAttributes);
    const bool unset = attribute.type() == onnx::AttributeProto::INT && attribute.i() == 0;
    if (!knows && !unset) return absl::StrCat("the attribute '", attribute.name(), "'");
  }
  for (int i = kPast + 1; i < node.input_size(); ++i) {
    if (!node.input(i).empty()) return absl::StrCat("input ", i + 1);
  }
  return "";
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const std::string lacking = Lacking(*reading.node);
  if (reading.input != kWeights) {
    fit.reason = "only the weights of an Attention are stored in codes";
  } else if (!reading.follows || reading.dims.size() != 2 || reading.transposed) {
    fit.reason =
        absl::StrCat("of ", reading.dims.size(), " dimensions",
                     reading.transposed ? ", transposed" : "", "; an Attention's weights have 2");
  } else if (std::count(reading.dims.begin(), reading.dims.end(), 0) > 0) {
    fit.reason = "it is empty";
  } else if (reading.compute != ElementType::kFloat) {
    fit.reason = absl::StrCat("its Attention computes in ", NameOf(reading.compute),
                              "; what is quantized when the model runs is float32");
  } else if (!lacking.empty()) {
    fit.reason = absl::StrCat("its Attention has ", lacking, ", which QAttention lacks");
  } else if (InputOf(*reading.node, kBias).empty()) {
    fit.reason = "its Attention has no bias, which QAttention asks for";
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.k = reading.dims[0];
    fit.stored.n = reading.dims[1];
    fit.stored.dims = reading.dims;
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return IntegerTensors(stored, {stored.n}, {stored.n});
}

// The inputs are in the order in which onnxruntime.quantization writes them.
void Read(const Stored& /*stored*/, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const DynamicCodes a = QuantizeDynamically(node.input(0), sink);
  const std::vector<std::string> inputs = {a.codes,      names[0], InputOf(node, kBias),
                                           a.scale,      names[1], InputOf(node, kMask),
                                           a.zero_point, names[2], InputOf(node, kPast)};
  node.clear_input();
  for (const std::string& name : inputs) node.add_input(name);
  if (node.input(node.input_size() - 1).empty()) node.mutable_input()->RemoveLast();
  for (int i = node.attribute_size() - 1; i >= 0; --i) {
    const bool knows = std::find(std::begin(kAttributes), std::end(kAttributes),
                                 node.attribute(i).name()) != std::end(kAttributes);
    if (!knows) node.mutable_attribute()->DeleteSubrange(i, 1);
  }
  node.set_op_type("QAttention");
  if (!node.name().empty()) node.set_name(sink.UniqueNode(absl::StrCat(node.name(), "_quant")));
}

}  // namespace

extern const Format kAttentionInteger;
constinit const Format kAttentionInteger = {
    .name = "attention_integer",
    .words = kIntegerWords,
    .parameters = kIntegerParameters,
    .operators = kOperators,
    .opset = 11,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeIntegerCodec,
    .read = Read,
    .codes = IntegerCodesKey,
    .runs = "CPU, WebAssembly; not for WebGPU",
    .about = "com.microsoft QAttention: 8-bit weights and activations",
};

}  // namespace onnxquant
