// com.microsoft MatMulNBits for a Conv that is a product over channels: one whose filters see one
// place. Channels come first in what a Conv reads and last in what MatMulNBits does, so a Transpose
// stands on either side: exact, smaller, and no faster, hence by rule.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"Conv"};

// Whether it has the attribute, and one of its numbers is another than `neutral`.
bool Says(const onnx::NodeProto& node, absl::string_view name, std::int64_t neutral) {
  return std::any_of(node.attribute().begin(), node.attribute().end(), [&](const auto& attribute) {
    const auto other = [&](std::int64_t number) { return number != neutral; };
    return attribute.name() == name &&
           (attribute.type() == onnx::AttributeProto::INT
                ? other(attribute.i())
                : std::any_of(attribute.ints().begin(), attribute.ints().end(), other));
  });
}

// Why a Conv is more than a product of each place's channels with a matrix; "" where it is not.
// Neither dilations nor auto_pad make a difference to filters of one place and strides of one.
std::string WhyNoProduct(const WeightReading& reading) {
  if (reading.input != 1) return "only the filters of a Conv are stored in codes";
  if (!reading.follows || reading.dims.size() < 3) {
    return absl::StrCat("of ", reading.dims.size(), " dimensions; a Conv's filters have more");
  }
  if (std::count(reading.dims.begin(), reading.dims.end(), 0) > 0) return "it is empty";
  if (std::string why = WhyNotInBlocks(reading); !why.empty()) return why;
  if (std::any_of(reading.dims.begin() + 2, reading.dims.end(),
                  [](std::int64_t dim) { return dim != 1; })) {
    return "its Conv sums over several places, and a product of codes over channels alone";
  }
  if (Says(*reading.node, "group", 1)) return "its Conv has groups, each a product of its own";
  if (Says(*reading.node, "strides", 1)) return "its Conv leaves out places (strides)";
  if (Says(*reading.node, "pads", 0)) return "its Conv adds places (pads)";
  return "";
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  fit.reason = WhyNoProduct(reading);
  if (!fit.reason.empty()) return fit;
  fit.reason = WhyNoProductOfBlocks(reading.dims[1], reading.dims[0], format.block);
  if (!fit.reason.empty()) return fit;
  fit.stored.form = &form;
  fit.stored.format = format;
  fit.stored.transposed = true;
  fit.stored.n = reading.dims[0];
  fit.stored.k = reading.dims[1];
  fit.stored.scale = reading.compute;
  fit.stored.dims = reading.dims;
  return fit;
}

// A Transpose that takes axis i from `perm[i]`.
onnx::NodeProto Transpose(const std::string& name, const std::string& from, const std::string& to,
                          absl::Span<const std::int64_t> perm) {
  onnx::NodeProto node = MakeNode("Transpose", name, {from}, {to});
  SetInts(node, "perm", perm);
  return node;
}

void Read(const Stored& stored, absl::Span<const std::string> names, int /*input*/,
          onnx::NodeProto& node, NodeSink& sink) {
  const auto rank = static_cast<std::int64_t>(stored.dims.size());
  std::vector<std::int64_t> last = {0};             // channels last
  std::vector<std::int64_t> first = {0, rank - 1};  // and back
  for (std::int64_t axis = 2; axis < rank; ++axis) {
    last.push_back(axis);
    first.push_back(axis - 1);
  }
  last.push_back(1);

  const std::string& x = node.input(0);
  const std::string turned = sink.Once(absl::StrCat(x, " channels last ", rank), [&]() {
    std::string value = sink.UniqueValue(absl::StrCat(x, "_channels_last"));
    onnx::NodeProto transpose =
        Transpose(sink.UniqueNode(absl::StrCat(value, "/Transpose")), x, value, last);
    sink.AddNode() = std::move(transpose);
    return value;
  });
  const std::string codes = CodesInShape(stored, names[0], ProductCodesDims(stored), sink);
  std::string product = sink.UniqueValue(absl::StrCat(node.output(0), "_product"));
  const std::string name =
      node.name().empty()
          ? ""
          : sink.UniqueNode(absl::StrCat(node.name(), CodesSuffix(stored.format.bits)));
  onnx::NodeProto& multiplies = sink.AddNode();
  multiplies = MakeNode("MatMulNBits", name, {}, {product});
  MultiplyByBlocks(stored, turned, codes, names, multiplies, sink);
  if (node.input_size() > 2 && !node.input(2).empty()) {
    const std::string sum = sink.UniqueValue(absl::StrCat(product, "_sum"));
    onnx::NodeProto add = MakeNode("Add", sink.UniqueNode(absl::StrCat(sum, "/Add")),
                                   {product, node.input(2)}, {sum});
    sink.AddNode() = std::move(add);
    product = sum;
  }
  node = Transpose(node.name(), product, std::string(node.output(0)), first);
}

}  // namespace

extern const Format kConvNBits;
constinit const Format kConvNBits = {
    .name = "conv_nbits",
    .words = kBlockWords,
    .parameters = kBlockParameters,
    .operators = kOperators,
    .by_rule = true,
    .accuracy_level = true,
    .takes_method = true,
    .fits = Fits,
    .tensors = ProductTensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .codes = BlockCodesKey,
    .by_channel = true,
    .runs = "CPU, WebAssembly, WebGPU, CUDA",
    .about = "com.microsoft MatMulNBits between Transposes: filters of one place in blocks",
};

}  // namespace onnxquant
