// com.microsoft GatherBlockQuantized: a table of rows, each in blocks of codes.
#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {{"int2", 2}, {"int4", 4}, {"int8", 8}};
constexpr Parameter kParameters[] = {Parameter::kBlock, Parameter::kSymmetric, Parameter::kSource};
constexpr absl::string_view kOperators[] = {"Gather"};

// Along which axis the node gathers, counted from the front.
std::int64_t AxisOf(const WeightReading& reading) {
  for (const onnx::AttributeProto& attribute : reading.node->attribute()) {
    if (attribute.name() != "axis") continue;
    const auto rank = static_cast<std::int64_t>(reading.dims.size());
    return attribute.i() < 0 ? attribute.i() + rank : attribute.i();
  }
  return 0;
}

std::int64_t Blocks(const WeightFormat& format, const WeightReading& reading) {
  return (reading.dims[1] + format.block - 1) / format.block;
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  if (reading.input != 0) {
    fit.reason = "only the table of a Gather is read in blocks";
  } else if (!reading.follows || reading.dims.size() != 2 || reading.transposed) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions",
                              reading.transposed ? ", transposed" : "", "; a table is expected");
  } else if (AxisOf(reading) != 0) {
    fit.reason = "its Gather takes columns; blocks are read from rows";
  } else if (reading.dims[0] == 0 || reading.dims[1] == 0) {
    fit.reason = "it is empty";
  } else if (reading.dims[1] * format.bits % 8 != 0) {
    fit.reason = absl::StrCat("its rows of ", reading.dims[1], " codes of ", format.bits,
                              " bits do not end with a byte");
  } else if (!format.symmetric && Blocks(format, reading) * format.bits % 8 != 0) {
    fit.reason = absl::StrCat("its rows have ", Blocks(format, reading),
                              " blocks, whose zero points do not end with a byte: WebGPU cannot "
                              "read them; symmetric blocks have none");
  } else if (reading.scale != ElementType::kFloat && reading.scale != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its Gather computes in ", NameOf(reading.scale),
                              "; blocks are read in float32 and float16");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0];
    fit.stored.k = reading.dims[1];
    fit.stored.padded = fit.stored.k % format.block == 0;
    fit.stored.scale = reading.scale;
  }
  return fit;
}

std::vector<std::int64_t> CodesDims(const Stored& stored) {
  return {stored.n, stored.k * stored.format.bits / 8};
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  std::vector<StoredTensor> tensors = {
      {CodesSuffix(stored.format.bits), ElementType::kUint8, CodesDims(stored)},
      {"_scales", stored.scale, {stored.n, BlocksOf(stored)}}};
  if (!stored.format.symmetric) {
    tensors.push_back({"_zero_points", ElementType::kUint8, {stored.n, ZeroPointBytesOf(stored)}});
  }
  return tensors;
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const std::string codes = CodesInShape(stored, names[0], CodesDims(stored), sink);
  const std::string indices = node.input(1);
  node.set_op_type("GatherBlockQuantized");
  node.set_domain("com.microsoft");
  if (!node.name().empty()) {
    node.set_name(sink.UniqueNode(absl::StrCat(node.name(), CodesSuffix(stored.format.bits))));
  }
  node.clear_input();
  node.add_input(codes);
  node.add_input(indices);
  for (const std::string& name : names.subspan(1)) node.add_input(name);
  node.clear_attribute();
  SetInt(node, "gather_axis", 0);
  SetInt(node, "quantize_axis", 1);
  SetInt(node, "bits", stored.format.bits);
  SetInt(node, "block_size", stored.format.block);
  sink.RequireOpset("com.microsoft", 1);
}

}  // namespace

extern const Format kGatherBlocks;
constinit const Format kGatherBlocks = {
    .name = "gather_blocks",
    .words = kWords,
    .parameters = kParameters,
    .operators = kOperators,
    .by_rule = true,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .runs = "CPU, WebGPU; not in the WebAssembly bundles of Transformers.js",
    .about = "com.microsoft GatherBlockQuantized: an embedding's rows in blocks, each with a scale",
};

}  // namespace onnxquant
