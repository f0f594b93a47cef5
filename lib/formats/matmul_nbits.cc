// com.microsoft MatMulNBits: codes of 2, 4 or 8 bits in blocks along K.
#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {{"int4", 4}};
constexpr Parameter kParameters[] = {Parameter::kBlock, Parameter::kSymmetric, Parameter::kSource};
constexpr absl::string_view kOperators[] = {"MatMul"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  if (reading.input != 1) {
    fit.reason = "only the second operand of a MatMul is read in blocks";
  } else if (!reading.follows || reading.dims.size() != 2) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions; a matrix is expected");
  } else if (reading.dims[0] == 0 || reading.dims[1] == 0) {
    fit.reason = "it is empty";
  } else if (reading.compute != ElementType::kFloat && reading.compute != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its MatMul computes in ", NameOf(reading.compute),
                              "; blocks are read in float32 and float16");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = reading.transposed;
    fit.stored.k = reading.dims[reading.transposed ? 1 : 0];
    fit.stored.n = reading.dims[reading.transposed ? 0 : 1];
    fit.stored.scale = reading.compute;
  }
  return fit;
}

// The names and shapes are those of ONNX Runtime's MatMulNBitsQuantizer.
std::vector<StoredTensor> Tensors(const Stored& stored) {
  const std::int64_t blocks = BlocksOf(stored);
  const std::int64_t block_bytes = stored.format.block * stored.format.bits / 8;
  std::vector<StoredTensor> tensors = {
      {CodesSuffix(stored.format.bits), ElementType::kUint8, {stored.n, blocks, block_bytes}},
      {"_scales", stored.scale, {stored.n * blocks}}};
  if (!stored.format.symmetric) {
    tensors.push_back(
        {"_zero_points", ElementType::kUint8, {stored.n * ZeroPointBytesOf(stored)}});
  }
  return tensors;
}

// Attributes and names follow ONNX Runtime's MatMulNBitsQuantizer.
absl::Status Read(const Stored& stored, absl::Span<const std::string> names, onnx::NodeProto& node,
                  NodeSink& sink) {
  const std::string a = node.input(0);
  node.set_op_type("MatMulNBits");
  node.set_domain("com.microsoft");
  if (!node.name().empty()) {
    node.set_name(sink.UniqueNode(absl::StrCat(node.name(), CodesSuffix(stored.format.bits))));
  }
  node.clear_input();
  node.add_input(a);
  for (const std::string& name : names) node.add_input(name);
  node.clear_attribute();
  SetInt(node, "K", stored.k);
  SetInt(node, "N", stored.n);
  SetInt(node, "bits", stored.format.bits);
  SetInt(node, "block_size", stored.format.block);
  sink.RequireOpset("com.microsoft", 1);
  return absl::OkStatus();
}

}  // namespace

extern const Format kMatMulNBits;
constinit const Format kMatMulNBits = {
    .name = "matmul_nbits",
    .words = kWords,
    .parameters = kParameters,
    .operators = kOperators,
    .accuracy_level = true,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .runs = "CPU, WebAssembly, WebGPU, CUDA",
    .about = "com.microsoft MatMulNBits: blocks along K, each with a scale",
};

}  // namespace onnxquant
