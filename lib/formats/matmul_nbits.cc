// com.microsoft MatMulNBits: codes of 2, 4 or 8 bits in blocks along K.
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitProduct(reading);
  if (!product.reason.empty()) {
    fit.reason = product.reason;
  } else if (fit.reason = WhyNotInBlocks(reading); !fit.reason.empty()) {
    return fit;
  } else if (fit.reason = WhyNoProductOfBlocks(product.k, product.n, format.block);
             fit.reason.empty()) {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = product.transposed;
    fit.stored.k = product.k;
    fit.stored.n = product.n;
    fit.stored.scale = reading.compute;
  }
  return fit;
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const Product product = BeginProduct(node, CodesSuffix(stored.format.bits), sink);
  const std::string codes = CodesInShape(stored, names[0], ProductCodesDims(stored), sink);
  MultiplyByBlocks(stored, product.a, codes, names, ProductNode(product, node, sink), sink);
  EndProduct(product, stored.scale, node, sink);
}

}  // namespace

extern const Format kMatMulNBits;
constinit const Format kMatMulNBits = {
    .name = "matmul_nbits",
    .words = kBlockWords,
    .parameters = kBlockParameters,
    .operators = kProducts,
    .accuracy_level = true,
    .takes_method = true,
    .fits = Fits,
    .tensors = ProductTensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .by_channel = true,
    .runs = "CPU, WebAssembly, WebGPU, CUDA",
    .about = "com.microsoft MatMulNBits: blocks along K, each with a scale",
};

}  // namespace onnxquant
