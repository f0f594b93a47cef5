// A table in 8 bits that a product reads through a Transpose, a tied head: quantize_dynamic turns
// the codes, makes floats of them, and leaves the product as it is.
#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {kQuantizeDynamicWord};
constexpr absl::string_view kOperators[] = {"MatMul"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitProduct(reading);
  if (!product.reason.empty()) {
    fit.reason = product.reason;
  } else if (!product.transposed) {
    fit.reason = "no Transpose stands between it and its MatMul";
  } else if (format.per_channel) {
    fit.reason = "rows of a table that have a scale each are columns behind the Transpose";
  } else if (reading.compute != ElementType::kFloat) {
    fit.reason = absl::StrCat("its MatMul computes in ", NameOf(reading.compute),
                              "; 8-bit codes become float32");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = true;
    fit.stored.k = product.k;
    fit.stored.n = product.n;
    fit.stored.dims = {product.n, product.k};
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return IntegerTensors(stored, {stored.n}, {stored.n});
}

void Read(const Stored& /*stored*/, absl::Span<const std::string> names, int input,
          onnx::NodeProto& node, NodeSink& sink) {
  const std::string turned = TransposedCodes(names[0], sink);
  node.set_input(input, sink.Once(absl::StrCat("floats of ", turned), [&]() {
    std::string floats = sink.UniqueValue(absl::StrCat(turned, "_dequantized"));
    sink.AddNode() =
        MakeNode("DequantizeLinear", sink.UniqueNode(absl::StrCat(floats, "/DequantizeLinear")),
                 {turned, names[1], names[2]}, {floats});
    return floats;
  }));
}

}  // namespace

extern const Format kDequantizedTable;
constinit const Format kDequantizedTable = {
    .name = "dequantized_table",
    .words = kWords,
    .parameters = kIntegerParameters,
    .operators = kOperators,
    .in_place = true,
    .opset = 10,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeIntegerCodec,
    .read = Read,
    .codes = IntegerCodesKey,
    .runs = "CPU, WebAssembly, WebGPU",
    .about = "Transpose and DequantizeLinear of 8-bit rows before a product that stays as it is",
};

}  // namespace onnxquant
