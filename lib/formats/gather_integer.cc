// A table of 8-bit rows, of which a Gather takes some and a DequantizeLinear makes floats.
#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/integer_codec.h"

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
    // Rows are picked at run time, and their scales would have to be, too.
    fit.stored.format.per_channel = false;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0];
    fit.stored.k = elements / reading.dims[0];
    fit.stored.dims = reading.dims;
  }
  return fit;
}

std::vector<StoredTensor> Tensors(const Stored& stored) {
  return IntegerTensors(stored, {}, {});
}

void Read(const Stored& /*stored*/, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
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
    .runs = "CPU, WebAssembly, WebGPU",
    .about = "Gather of 8-bit rows and DequantizeLinear, for embeddings",
};

}  // namespace onnxquant
