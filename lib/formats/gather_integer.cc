// A table of 8-bit rows, of which a Gather takes some and a DequantizeLinear makes floats.
#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/gathered_rows.h"
#include "lib/formats/integer_codec.h"
#include "lib/formats/operand.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"Gather"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  std::int64_t elements = 1;
  for (const std::int64_t dim : reading.dims) elements *= dim;
  if (reading.input != 0) {
    fit.reason = "only the table of a Gather is stored in codes";
  } else if (!reading.follows || reading.dims.size() < 2 || reading.transposed) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions",
                              reading.transposed ? ", transposed" : "", "; a table is expected");
  } else if (elements == 0) {
    fit.reason = "it is empty";
  } else if (reading.scale != ElementType::kFloat) {
    fit.reason = absl::StrCat("its Gather computes in ", NameOf(reading.scale),
                              "; 8-bit rows become float32");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    // Scales of rows are picked as the rows are.
    fit.stored.format.per_channel =
        format.per_channel && GatherAxis(*reading.node, reading.dims.size()) == 0;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0];
    fit.stored.k = elements / reading.dims[0];
    fit.stored.dims = reading.dims;
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return IntegerTensors(stored, {stored.n}, {stored.n});
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  if (stored.format.per_channel) {
    CodedTable table;
    table.codes = names[0];
    table.scales = names[1];
    // Symmetric codes of two's complement have 0.
    if (!stored.format.symmetric || !stored.format.is_signed) table.zero_points = names[2];
    table.rows = stored.n;
    table.scale_dims.assign(stored.dims.size() - 1, 1);
    return GatherRows(table, node, sink);
  }
  const std::string rows = sink.UniqueValue(absl::StrCat(node.output(0), "_quantized"));
  onnx::NodeProto& gather = sink.AddNode();
  gather = node;
  gather.set_input(0, names[0]);
  gather.set_output(0, rows);
  if (!node.name().empty()) gather.set_name(sink.UniqueNode(absl::StrCat(node.name(), "_quant")));
  node.set_op_type("DequantizeLinear");
  node.set_domain("");
  node.clear_input();
  node.clear_attribute();
  for (const std::string& input : {rows, names[1], names[2]}) node.add_input(input);
}

}  // namespace

extern const Format kGatherInteger;
constinit const Format kGatherInteger = {
    .name = "gather_integer",
    .words = kIntegerWords,
    .parameters = kIntegerParameters,
    .operators = kOperators,
    .opset = 10,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeIntegerCodec,
    .read = Read,
    .codes = IntegerCodesKey,
    .runs = "CPU, WebAssembly, WebGPU",
    .about = "Gather of 8-bit rows and DequantizeLinear, or the scale of each row, for embeddings",
};

}  // namespace onnxquant
