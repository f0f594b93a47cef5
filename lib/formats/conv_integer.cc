// ConvInteger: activations in 8 bits, quantized when the model runs, and 8-bit filters.
#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"Conv"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  std::int64_t elements = 1;
  for (const std::int64_t dim : reading.dims) elements *= dim;
  if (reading.input != 1) {
    fit.reason = "only the filters of a Conv are stored in codes";
  } else if (!reading.follows || reading.dims.size() < 3) {
    fit.reason =
        absl::StrCat("of ", reading.dims.size(), " dimensions; a Conv's filters have more");
  } else if (elements == 0) {
    fit.reason = "it is empty";
  } else if (reading.compute != ElementType::kFloat) {
    fit.reason = absl::StrCat("its Conv computes in ", NameOf(reading.compute),
                              "; what is quantized when the model runs is float32");
  } else if (format.per_channel && !format.symmetric) {
    fit.reason = "ConvInteger knows one zero point for all channels: per_channel needs symmetric";
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0];
    fit.stored.k = elements / reading.dims[0];
    fit.stored.dims = reading.dims;
  }
  return fit;
}

// Scales of channels are shaped to multiply a result [batch, channels, ...].
std::vector<StoredTensor> Tensors(const Stored& stored) {
  std::vector<std::int64_t> scales(stored.dims.size() - 1, 1);
  scales[0] = stored.n;
  return IntegerTensors(stored, scales, {});
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const DynamicCodes x = QuantizeDynamically(node.input(0), sink);
  const std::string bias = node.input_size() > 2 ? node.input(2) : "";
  const std::string name =
      node.name().empty() ? "" : sink.UniqueNode(absl::StrCat(node.name(), "_quant"));
  const std::string sums = sink.UniqueValue(absl::StrCat(node.output(0), "_quantized"));
  onnx::NodeProto& conv = sink.AddNode();
  conv = node;
  conv.set_op_type("ConvInteger");
  conv.set_name(name);
  conv.clear_input();
  for (const std::string& input : {x.codes, names[0], x.zero_point, names[2]}) {
    conv.add_input(input);
  }
  conv.set_output(0, sums);
  const std::string scaled_name = sink.UniqueNode(absl::StrCat(sums, "_output_scale_mul"));
  if (bias.empty()) {
    Dequantize(sums, x.scale, names[1], node, sink);
    node.set_name(scaled_name);
    return;
  }
  const std::string scaled = sink.UniqueValue(absl::StrCat(sums, "_scaled"));
  onnx::NodeProto last;
  Dequantize(sums, x.scale, names[1], last, sink);
  last.set_name(scaled_name);
  last.add_output(scaled);
  sink.AddNode() = std::move(last);
  std::vector<std::int64_t> dims(stored.dims.size(), 1);
  dims[1] = -1;
  const std::string shape = AddInts(sink, absl::StrCat(scaled, "_bias_shape"), dims);
  const std::string shaped = sink.UniqueValue(absl::StrCat(scaled, "_bias"));
  sink.AddNode() = MakeNode("Reshape", sink.UniqueNode(absl::StrCat(shaped, "/Reshape")),
                            {bias, shape}, {shaped});
  node.set_op_type("Add");
  node.set_name(sink.UniqueNode(absl::StrCat(sums, "_bias_add")));
  node.clear_input();
  node.clear_attribute();
  node.add_input(scaled);
  node.add_input(shaped);
}

}  // namespace

extern const Format kConvInteger;
constinit const Format kConvInteger = {
    .name = "conv_integer",
    .words = kIntegerWords,
    .parameters = kIntegerParameters,
    .operators = kOperators,
    .opset = 11,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeIntegerCodec,
    .read = Read,
    .runs = "CPU, WebAssembly; not for WebGPU",
    .about = "DynamicQuantizeLinear and ConvInteger: 8-bit filters and activations",
};

}  // namespace onnxquant
