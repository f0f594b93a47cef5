// com.microsoft MatMulNBits: codes of 2, 4 or 8 bits in blocks along K.
#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {{"int2", 2}, {"int4", 4}, {"int8", 8}};
constexpr Parameter kParameters[] = {Parameter::kBlock, Parameter::kSymmetric, Parameter::kSource};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitProduct(reading);
  if (!product.reason.empty()) {
    fit.reason = product.reason;
  } else if (reading.compute != ElementType::kFloat && reading.compute != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its ", reading.op, " computes in ", NameOf(reading.compute),
                              "; blocks are read in float32 and float16");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = product.transposed;
    fit.stored.k = product.k;
    fit.stored.n = product.n;
    fit.stored.scale = reading.compute;
  }
  return fit;
}

std::vector<std::int64_t> CodesDims(const Stored& stored) {
  return {stored.n, BlocksOf(stored), stored.format.block * stored.format.bits / 8};
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return BlockTensors(stored, CodesDims(stored));
}

// Attributes and names follow ONNX Runtime's MatMulNBitsQuantizer.
void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const Product product = BeginProduct(node, CodesSuffix(stored.format.bits), sink);
  const std::string codes = CodesInShape(stored, names[0], CodesDims(stored), sink);
  onnx::NodeProto& multiplies = ProductNode(product, node, sink);
  multiplies.set_op_type("MatMulNBits");
  multiplies.set_domain("com.microsoft");
  multiplies.add_input(product.a);
  multiplies.add_input(codes);
  for (const std::string& name : names.subspan(1)) multiplies.add_input(name);
  SetInt(multiplies, "K", stored.k);
  SetInt(multiplies, "N", stored.n);
  SetInt(multiplies, "bits", stored.format.bits);
  SetInt(multiplies, "block_size", stored.format.block);
  sink.RequireOpset("com.microsoft", 1);
  EndProduct(product, stored.scale, node, sink);
}

}  // namespace

extern const Format kMatMulNBits;
constinit const Format kMatMulNBits = {
    .name = "matmul_nbits",
    .words = kWords,
    .parameters = kParameters,
    .operators = kProducts,
    .accuracy_level = true,
    .takes_method = true,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .runs = "CPU, WebAssembly, WebGPU, CUDA",
    .about = "com.microsoft MatMulNBits: blocks along K, each with a scale",
};

}  // namespace onnxquant
