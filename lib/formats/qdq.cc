// DequantizeLinear of constant codes: weights alone are quantized, and readers stay as they are.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/formats/format.h"
#include "lib/formats/operand.h"
#include "lib/formats/qdq_codec.h"
#include "lib/schema/domain.h"

namespace onnxquant {
namespace {

constexpr int kOpsetOfBlocks = 21;
constexpr int kOpsetOf2Bits = 25;

constexpr FormatWord kWords[] = {
    {.word = "qdq_int8", .bits = 8, .is_signed = true, .per_channel = true, .block = 0},
    {.word = "qdq_uint8", .bits = 8, .symmetric = false, .per_channel = true, .block = 0},
    {.word = "qdq_int4", .bits = 4, .is_signed = true},
    {.word = "qdq_uint4", .bits = 4, .symmetric = false},
    {.word = "qdq_int2", .bits = 2, .is_signed = true, .opset = kOpsetOf2Bits},
    {.word = "qdq_uint2", .bits = 2, .symmetric = false, .opset = kOpsetOf2Bits},
};
constexpr Parameter kParameters[] = {Parameter::kBlock, Parameter::kPerChannel};
constexpr absl::string_view kOperators[] = {"MatMul", "Gemm",          "Einsum",
                                            "Conv",   "ConvTranspose", "Gather"};
constexpr absl::string_view kOthers[] = {kAnyOperator};

ElementType CodesType(const WeightFormat& format) {
  if (format.bits == 8) return format.is_signed ? ElementType::kInt8 : ElementType::kUint8;
  if (format.bits == 4) return format.is_signed ? ElementType::kInt4 : ElementType::kUint4;
  return format.is_signed ? ElementType::kInt2 : ElementType::kUint2;
}

// Why a Gather cannot pick codes; "" where it can. It has no types of fewer than 8 bits, and a
// DequantizeLinear before it would make floats of the whole table in each run.
std::string WhyNotGathered(const WeightFormat& format, const WeightReading& reading) {
  const auto last = static_cast<std::int64_t>(reading.dims.size()) - 1;
  const std::int64_t axis = GatherAxis(*reading.node, reading.dims.size());
  const std::int64_t in_row =
      format.block == 0 ? 1 : (reading.dims.back() + format.block - 1) / format.block;
  if (format.bits < 8) {
    return absl::StrCat("ONNX's Gather picks no codes of ", format.bits,
                        " bits; qdq_int8 has a table in 8, int", format.bits, " in blocks");
  }
  if (format.block == 0 && !format.per_channel) return "";
  if (format.block == 0 && last != 1) {
    return absl::StrCat("of ", last + 1,
                        " dimensions; rows that have a scale each are those of a matrix");
  }
  if (axis == last) return "its Gather takes columns; scales are those of rows";
  // A scale that is alone is taken for one of the whole tensor.
  if (last == 1 && in_row == 1 && reading.other_rank < 1) {
    return "its rows have one scale each, and its Gather may take a single one, without a "
           "dimension "
           "for it";
  }
  return "";
}

// What ONNX Runtime 1.30 fails at when it fuses a DequantizeLinear with the product after it; ""
// for nothing.
const char* WhyNotOnCpu(const WeightFormat& format, const WeightReading& reading) {
  const bool product = reading.input == 1 && (reading.op == "MatMul" || reading.op == "Gemm");
  if (!product) return "";
  if (reading.in_body) {
    return "its reader stands in a body of If or Loop, where ONNX Runtime 1.30 refuses to load a "
           "product of it";
  }
  if (format.bits == 2 && !format.is_signed && format.block == 0 && reading.transposed) {
    return "its reader sees it transposed, where ONNX Runtime 1.30 reads other unsigned codes of 2 "
           "bits";
  }
  return "";
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const OperandFit operand = FitOperand(reading);
  const bool gathers = reading.op == "Gather" && reading.input == 0;
  const ElementType compute = gathers ? reading.scale : reading.compute;
  if (!operand.reason.empty()) {
    fit.reason = operand.reason;
    return fit;
  }
  if (!form.by_rule && reading.input != (reading.op == "Gather" ? 0 : 1)) {
    fit.reason = absl::StrCat("only a rule that names it has a ", reading.op, " read ", format.word,
                              " as its operand ", reading.input + 1);
    return fit;
  }
  if (compute != ElementType::kFloat && compute != ElementType::kFloat16) {
    fit.reason = absl::StrCat("its ", reading.op, " computes in ", NameOf(compute),
                              "; DequantizeLinear gives float32 and float16");
    return fit;
  }
  Stored& stored = fit.stored;
  stored.format = format;
  if (format.block != 0 && operand.sum_axis < 0) {  // filters: no axis has enough values
    stored.format.block = 0;
    stored.format.per_channel = true;
  }
  if (gathers) fit.reason = WhyNotGathered(format, reading);
  if (format.bits == 2 && (reading.op == "MatMul" || reading.op == "Gemm") && reading.input == 1 &&
      !operand.transposed && operand.n % 4 != 0) {
    fit.reason =
        absl::StrCat("it has ", operand.n,
                     " columns, no multiple of 4: ONNX Runtime 1.30 reads other codes of 2 "
                     "bits there");
  }
  if (WhyNotOnCpu(format, reading)[0] != '\0') fit.reason = WhyNotOnCpu(format, reading);
  const std::int64_t block = stored.format.block;
  if (block != 0) stored.axis = operand.sum_axis;
  if (block == 0 && stored.format.per_channel) stored.axis = operand.channel_axis;
  // A matrix's last block may end early; that of a pile of them would go on into the next.
  const std::int64_t along =
      stored.axis < 0 ? 0 : reading.dims[static_cast<std::size_t>(stored.axis)];
  if (block != 0 && operand.k != along && along % block != 0) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions, and the ", along,
                              " values along its blocks do not end with one of ", block);
  }
  if (!fit.reason.empty()) return fit;
  stored.form = &form;
  stored.k = operand.k;
  stored.n = operand.n;
  stored.transposed = operand.transposed;
  stored.scale = compute;
  stored.dims = reading.dims;
  return fit;
}

// Names follow ONNX Runtime's MatMulNBitsQuantizer.
std::vector<StoredTensor> Tensors(const Stored& stored) {
  const WeightFormat& format = stored.format;
  const ElementType codes = CodesType(format);
  std::vector<std::int64_t> scales;
  if (format.block != 0) {
    scales = stored.dims;
    std::int64_t& dim = scales[static_cast<std::size_t>(stored.axis)];
    dim = (dim + format.block - 1) / format.block;
  } else if (format.per_channel) {
    scales = {stored.dims[static_cast<std::size_t>(stored.axis)]};
  }
  std::vector<StoredTensor> tensors = {{format.bits == 8   ? "_DQ_Q8"
                                        : format.bits == 4 ? "_DQ_Q4"
                                                           : "_DQ_Q2",
                                        codes, stored.dims},
                                       {"_DQ_scales", stored.scale, scales}};
  if (!format.symmetric) tensors.push_back({"_DQ_zero_points", codes, scales});
  return tensors;
}

// A DequantizeLinear of these tensors, without an output yet.
onnx::NodeProto Dequantizes(const Stored& stored, absl::Span<const std::string> names,
                            const std::string& name) {
  onnx::NodeProto node = MakeNode("DequantizeLinear", name, names, {});
  if (stored.format.block != 0) SetInt(node, "block_size", stored.format.block);
  if (stored.axis >= 0) SetInt(node, "axis", stored.axis);
  return node;
}

// The Gather picks codes, and scales and zero points where rows have their own; then they become
// floats.
void ReadGathered(const Stored& stored, absl::Span<const std::string> names, onnx::NodeProto& node,
                  NodeSink& sink) {
  onnx::NodeProto source = node;
  // The first axis, which counted from behind is another one of the scales.
  if (stored.axis >= 0 && stored.format.block == 0) source.clear_attribute();
  std::vector<std::string> picked;
  for (const std::string& name : names) {
    if (!picked.empty() && stored.axis < 0) {
      picked.push_back(name);
      continue;
    }
    picked.push_back(
        sink.UniqueValue(absl::StrCat(source.output(0), name.substr(name.rfind('_')))));
    onnx::NodeProto gather = source;
    gather.set_input(0, name);
    gather.set_output(0, picked.back());
    if (!source.name().empty()) {
      gather.set_name(sink.UniqueNode(absl::StrCat(source.name(), "_DQ")));
    }
    sink.AddNode() = std::move(gather);
    // A row's one scale is that of a block as long as the row.
    if (picked.size() == 1 || stored.format.block != 0) continue;
    const std::string row = sink.UniqueValue(absl::StrCat(picked.back(), "_of_row"));
    const std::string last = AddInts(sink, absl::StrCat(row, "_axis"), {-1});
    sink.AddNode() = MakeNode("Unsqueeze", sink.UniqueNode(absl::StrCat(row, "/Unsqueeze")),
                              {picked.back(), last}, {row});
    picked.back() = row;
  }
  Stored own = stored;
  if (stored.axis >= 0 && stored.format.block == 0) own.format.block = stored.k;
  onnx::NodeProto last = Dequantizes(own, picked, source.name());
  if (stored.axis >= 0) SetInt(last, "axis", -1);
  last.add_output(source.output(0));
  node = std::move(last);
}

void Read(const Stored& stored, absl::Span<const std::string> names, int input,
          onnx::NodeProto& node, NodeSink& sink) {
  if (IsOnnxDomain(node.domain()) && node.op_type() == "Gather" && input == 0) {
    ReadGathered(stored, names, node, sink);
    return;
  }
  std::string floats = sink.Once(absl::StrCat("floats of ", names[0]), [&]() {
    std::string value = sink.UniqueValue(absl::StrCat(names[0], "_dequantized"));
    onnx::NodeProto made =
        Dequantizes(stored, names, sink.UniqueNode(absl::StrCat(value, "/DequantizeLinear")));
    made.add_output(value);
    sink.AddNode() = std::move(made);
    return value;
  });
  if (SeesSwapped(stored, node, input)) floats = Swapped(floats, sink);
  node.set_input(input, floats);
}

constexpr Format Row() {
  return {
      .name = "qdq",
      .words = kWords,
      .parameters = kParameters,
      .operators = kOperators,
      .in_place = true,
      .opset = kOpsetOfBlocks,
      .fits = Fits,
      .tensors = Tensors,
      .codec = MakeQdqCodec,
      .read = Read,
      .codes = OperandCodesKey,
      .runs = "CPU, WebGPU; elsewhere as the runtime's DequantizeLinear is",
      .about = "DequantizeLinear before readers that stay as they are: weights alone in codes",
  };
}

// Of readers of which only a rule can know that their constants may lose digits.
constexpr Format RowOfOthers() {
  Format row = Row();
  row.name = "qdq_others";
  row.operators = kOthers;
  row.by_rule = true;
  row.runs = "as qdq does";
  row.about = "the same before every other operator, along a constant's last axis";
  return row;
}

}  // namespace

extern const Format kQdq;
constinit const Format kQdq = Row();

extern const Format kQdqOthers;
constinit const Format kQdqOthers = RowOfOthers();

}  // namespace onnxquant
