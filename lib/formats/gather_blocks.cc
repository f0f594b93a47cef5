// com.microsoft GatherBlockQuantized: a table of rows, each in blocks of codes.
#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"
#include "lib/formats/gathered_rows.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"Gather"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit = FitBlocksOfRows(form, format, reading);
  if (!fit.ok()) return fit;
  if (reading.dims[1] * format.bits % 8 != 0) {
    return {{},
            absl::StrCat("its rows of ", reading.dims[1], " codes of ", format.bits,
                         " bits do not end with a byte")};
  }
  if (!format.symmetric && BlocksOf(fit.stored) * format.bits % 8 != 0) {
    return {{},
            absl::StrCat("its rows have ", BlocksOf(fit.stored),
                         " blocks, whose zero points do not end with a byte: WebGPU cannot "
                         "read them; symmetric blocks have none")};
  }
  return fit;
}

std::vector<std::int64_t> CodesDims(const Stored& stored) {
  return {stored.n, stored.k * stored.format.bits / 8};
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return BlockTensors(stored, CodesDims(stored));
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
    .words = kBlockWords,
    .parameters = kBlockParameters,
    .operators = kOperators,
    .by_rule = true,
    .takes_method = true,
    .opset = kOpsetOfIntegerConstants,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .by_channel = true,
    .runs = "CPU, WebGPU; not in the WebAssembly bundles of Transformers.js",
    .about = "com.microsoft GatherBlockQuantized: an embedding's rows in blocks, each with a scale",
};

}  // namespace onnxquant
