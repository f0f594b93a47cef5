#include "lib/formats/gathered_rows.h"

#include "absl/strings/str_cat.h"
#include "lib/formats/operand.h"

namespace onnxquant {
namespace {

// A node of one output, which is called `value`.
std::string Emit(const char* op, const std::string& value, const std::vector<std::string>& inputs,
                 NodeSink& sink) {
  std::string output = sink.UniqueValue(value);
  sink.AddNode() = MakeNode(op, sink.UniqueNode(absl::StrCat(output, "/", op)), inputs, {output});
  return output;
}

std::string Cast(const std::string& value, ElementType type, NodeSink& sink) {
  std::string output = sink.UniqueValue(absl::StrCat(value, "_", NameOf(type)));
  onnx::NodeProto& cast = sink.AddNode();
  cast = MakeNode("Cast", sink.UniqueNode(absl::StrCat(output, "/Cast")), {value}, {output});
  SetInt(cast, "to", static_cast<int>(type));
  return output;
}

// What belongs to each row of codes, one row for each row: folded when the model is loaded.
std::string ByRow(const CodedTable& table, const std::string& parts, NodeSink& sink) {
  return sink.Once(absl::StrCat(parts, " by row"), [&]() {
    std::vector<std::int64_t> dims = {table.rows};
    dims.insert(dims.end(), table.scale_dims.begin(), table.scale_dims.end());
    const std::string shape = AddInts(sink, absl::StrCat(parts, "_by_row_shape"), dims);
    return Emit("Reshape", absl::StrCat(parts, "_by_row"), {parts, shape}, sink);
  });
}

}  // namespace

FormatFit FitBlocksOfRows(const Format& form, const WeightFormat& format,
                          const WeightReading& reading) {
  FormatFit fit;
  if (reading.input != 0) {
    fit.reason = "only the table of a Gather is read in blocks";
  } else if (!reading.follows || reading.dims.size() != 2) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions; a table is expected");
  } else if (GatherAxis(*reading.node, reading.dims.size()) != 0) {
    fit.reason = "its Gather takes columns; blocks are read from rows";
  } else if (reading.dims[0] == 0 || reading.dims[1] == 0) {
    fit.reason = "it is empty";
  } else if (reading.scale != ElementType::kFloat && reading.scale != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its Gather computes in ", NameOf(reading.scale),
                              "; blocks are read in float32 and float16");
  } else {
    fit.stored.form = &form;
    fit.stored.format = format;
    // A head's weight that is turned into a table: its columns are the rows.
    fit.stored.transposed = !reading.transposed;
    fit.stored.n = reading.dims[reading.transposed ? 1 : 0];
    fit.stored.k = reading.dims[reading.transposed ? 0 : 1];
    fit.stored.padded = fit.stored.k % format.block == 0;
    fit.stored.scale = reading.scale;
  }
  return fit;
}

void GatherRows(const CodedTable& table, onnx::NodeProto& last, NodeSink& sink) {
  const std::string indices = last.input(1);
  const std::string out = last.output(0);
  const std::string codes =
      Emit("Gather", absl::StrCat(out, "_codes"), {table.codes, indices}, sink);
  std::string steps = Cast(codes, table.type, sink);
  std::string zero_points;
  if (!table.zero_points.empty()) {
    const std::string rows = Emit("Gather", absl::StrCat(out, "_zero_points"),
                                  {ByRow(table, table.zero_points, sink), indices}, sink);
    zero_points = Cast(rows, table.type, sink);
  } else if (table.middle != 0) {
    zero_points =
        AddConstant(sink, absl::StrCat(out, "_zero_point"), ScalarTensor(table.middle, table.type));
  }
  if (!zero_points.empty()) {
    steps = Emit("Sub", absl::StrCat(out, "_steps"), {steps, zero_points}, sink);
  }
  const std::string scales = Emit("Gather", absl::StrCat(out, "_scales"),
                                  {ByRow(table, table.scales, sink), indices}, sink);
  const std::string name = sink.UniqueNode(absl::StrCat(out, "/Mul"));
  last = MakeNode("Mul", name, {steps, scales}, {out});
}

}  // namespace onnxquant
