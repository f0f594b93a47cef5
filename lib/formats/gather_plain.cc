// A table of rows in blocks of 8-bit codes, read by operators that every runtime has: the codes are
// those that MatMulNBits reads, so that an embedding shares them with its head where
// GatherBlockQuantized is missing.
#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"
#include "lib/formats/gathered_rows.h"

namespace onnxquant {
namespace {

constexpr FormatWord kWords[] = {{"plain_int8", 8}};
constexpr absl::string_view kOperators[] = {"Gather"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit = FitBlocksOfRows(form, format, reading);
  if (fit.ok() && !fit.stored.padded) {
    return {{},
            absl::StrCat("its rows of ", reading.dims[1], " end within a block of ", format.block)};
  }
  return fit;
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const std::string indices = node.input(1);
  const std::string out = node.output(0);
  CodedTable table;
  table.codes = CodesInShape(stored, names[0], ProductCodesDims(stored), sink);
  table.scales = names[1];
  if (names.size() > 2) table.zero_points = names[2];
  table.middle = 1 << (stored.format.bits - 1);
  table.rows = stored.n;
  table.scale_dims = {BlocksOf(stored), 1};
  table.type = stored.scale;
  onnx::NodeProto mul = node;
  const std::string blocks = sink.UniqueValue(absl::StrCat(out, "_blocks"));
  mul.set_output(0, blocks);
  GatherRows(table, mul, sink);
  sink.AddNode() = std::move(mul);
  // [indices..., blocks, block] to [indices..., K], however many indices there are.
  const std::string lengths = sink.UniqueValue(absl::StrCat(out, "_indices_shape"));
  sink.AddNode() =
      MakeNode("Shape", sink.UniqueNode(absl::StrCat(lengths, "/Shape")), {indices}, {lengths});
  const std::string k = AddInts(sink, absl::StrCat(out, "_row"), {stored.k});
  const std::string shape = sink.UniqueValue(absl::StrCat(out, "_shape"));
  onnx::NodeProto& concat = sink.AddNode();
  concat =
      MakeNode("Concat", sink.UniqueNode(absl::StrCat(shape, "/Concat")), {lengths, k}, {shape});
  SetInt(concat, "axis", 0);
  node =
      MakeNode("Reshape", sink.UniqueNode(absl::StrCat(out, "/Reshape")), {blocks, shape}, {out});
}

}  // namespace

extern const Format kGatherPlain;
constinit const Format kGatherPlain = {
    .name = "gather_plain",
    .words = kWords,
    .parameters = kBlockParameters,
    .operators = kOperators,
    .by_rule = true,
    .takes_method = true,
    .opset = kOpsetOfIntegerConstants,
    .fits = Fits,
    .tensors = ProductTensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .by_channel = true,
    .runs = "CPU, WebAssembly, WebGPU, CUDA",
    .about =
        "Gather, Cast, Sub and Mul: an embedding's rows in 8-bit blocks, where "
        "GatherBlockQuantized is missing",
};

}  // namespace onnxquant
