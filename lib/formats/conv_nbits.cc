// com.microsoft MatMulNBits for a Conv that is a product over channels: one whose filters see one
// place. Channels come first in what a Conv reads and last in what MatMulNBits does, so a Transpose
// stands on either side: exact, smaller, and no faster, hence by rule.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kOperators[] = {"Conv"};

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const ProductFit product = FitChannelProduct(reading);
  fit.reason = product.reason;
  if (fit.reason.empty()) fit.reason = WhyNotInBlocks(reading);
  if (fit.reason.empty()) fit.reason = WhyNoProductOfBlocks(product.k, product.n, format.block);
  if (!fit.reason.empty()) return fit;
  fit.stored.form = &form;
  fit.stored.format = format;
  fit.stored.transposed = product.transposed;
  fit.stored.n = product.n;
  fit.stored.k = product.k;
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
