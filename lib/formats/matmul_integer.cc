// MatMulInteger: activations in 8 bits, quantized when the model runs, times 8-bit weights.
#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitProduct(reading);
  if (!product.reason.empty()) {
    fit.reason = product.reason;
  } else if (reading.compute != ElementType::kFloat) {
    fit.reason = absl::StrCat("its ", reading.op, " computes in ", NameOf(reading.compute),
                              "; what is quantized when the model runs is float32");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = product.transposed;
    fit.stored.k = product.k;
    fit.stored.n = product.n;
    fit.stored.dims = product.transposed ? std::vector<std::int64_t>{product.n, product.k}
                                         : std::vector<std::int64_t>{product.k, product.n};
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return IntegerTensors(stored, {stored.n}, {stored.n});
}

// The nodes are those of onnxruntime.quantization, which ONNX Runtime fuses when it loads them.
void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const Product product = BeginProduct(node, "_quant", sink);
  const DynamicCodes a = QuantizeDynamically(product.a, sink);
  const std::string b = stored.transposed ? TransposedCodes(names[0], sink) : names[0];
  const std::string sums = sink.UniqueValue(absl::StrCat(product.out, "_quantized"));
  sink.AddNode() =
      MakeNode("MatMulInteger", product.name, {a.codes, b, a.zero_point, names[2]}, {sums});
  // The nodes that follow come before the last one, whichever that is.
  if (product.whole) {
    const std::string name = sink.UniqueNode(absl::StrCat(sums, "_output_scale_mul"));
    Dequantize(sums, a.scale, names[1], node, sink);
    node.set_name(name);
    return;
  }
  onnx::NodeProto last;
  Dequantize(sums, a.scale, names[1], last, sink);
  last.set_name(sink.UniqueNode(absl::StrCat(sums, "_output_scale_mul")));
  last.add_output(product.out);
  sink.AddNode() = std::move(last);
  EndProduct(product, ElementType::kFloat, node, sink);
}

}  // namespace

extern const Format kMatMulInteger;
constinit const Format kMatMulInteger = {
    .name = "matmul_integer",
    .words = kIntegerWords,
    .parameters = kIntegerParameters,
    .operators = kProducts,
    .opset = 11,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeIntegerCodec,
    .read = Read,
    .codes = IntegerCodesKey,
    .runs = "CPU, WebAssembly; not for WebGPU",
    .about = "DynamicQuantizeLinear and MatMulInteger: 8-bit weights and activations",
};

}  // namespace onnxquant
