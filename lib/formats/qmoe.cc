// com.microsoft QMoE: a mixture of experts whose tables are in blocks of codes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/formats/block_codec.h"
#include "lib/formats/format.h"

namespace onnxquant {
namespace {

// Of 2 bits ONNX Runtime's QMoE multiplies with rounded activations.
constexpr FormatWord kWords[] = {{"int4", 4}, {"int8", 8}};
constexpr absl::string_view kOperators[] = {"com.microsoft::MoE"};
// Of MoE: x, router, first table, its bias, second table, its bias, third table, its bias.
constexpr int kFirstTable = 2;
constexpr int kSecondTable = 4;
constexpr int kThirdTable = 6;
constexpr int kFirstZeroPoints = 11;  // of QMoE
constexpr int kRouterWeights = 14;
constexpr int kTogether[] = {kFirstTable, kSecondTable};

bool Has(const onnx::NodeProto& node, int input) {
  return input < node.input_size() && !node.input(input).empty();
}

bool Flag(const onnx::NodeProto& node, absl::string_view name) {
  return std::any_of(node.attribute().begin(), node.attribute().end(), [&](const auto& attribute) {
    return attribute.name() == name && attribute.i() != 0;
  });
}

bool Normalizes(const onnx::NodeProto& node) {
  return Flag(node, "normalize_routing_weights");
}

FormatFit Fits(const Format& form, const WeightFormat& format, const WeightReading& reading) {
  FormatFit fit;
  const std::int64_t k = reading.dims.empty() ? 0 : reading.dims.back();
  // Zero points of an expert's row end with its byte.
  const std::int64_t multiple = format.block * (format.symmetric ? 1 : 8 / format.bits);
  if (reading.input != kFirstTable && reading.input != kSecondTable) {
    fit.reason = "only the tables of a MoE's experts are stored in codes";
  } else if (!reading.follows || reading.dims.size() != 3 || reading.transposed) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions; a MoE's tables have 3");
  } else if (std::count(reading.dims.begin(), reading.dims.end(), 0) > 0) {
    fit.reason = "it is empty";
  } else if (Has(*reading.node, kThirdTable)) {
    fit.reason = "its MoE has a third table, which ONNX Runtime's CPU provider does not know";
  } else if (k % multiple != 0) {
    fit.reason = absl::StrCat("its rows of ", k, " are no multiple of ", multiple,
                              format.symmetric ? ", a block"
                                               : ", blocks that fill a byte of zero "
                                                 "points",
                              ", which QMoE asks for");
  } else if (k == format.block) {
    fit.reason = absl::StrCat("its rows of ", k, " are one block, which QMoE takes for none");
  } else if (!Normalizes(*reading.node) && Flag(*reading.node, "use_sparse_mixer")) {
    fit.reason =
        "its MoE mixes experts sparsely (use_sparse_mixer) by weights that are not normalized";
  } else if (fit.reason = WhyNotInBlocks(reading); fit.reason.empty()) {
    fit.stored.form = &form;
    fit.stored.format = format;
    fit.stored.transposed = true;
    fit.stored.n = reading.dims[0] * reading.dims[1];
    fit.stored.k = k;
    fit.stored.scale = reading.compute;
    fit.stored.dims = reading.dims;
  }
  return fit;
}

// The parts of a product's codes, with the experts before their rows.
std::vector<StoredTensor> Tensors(const Stored& stored) {
  std::vector<StoredTensor> tensors =
      BlockTensors(stored, {stored.n, stored.k * stored.format.bits / 8});
  for (StoredTensor& tensor : tensors) {
    tensor.dims = {stored.dims[0], stored.dims[1], tensor.dims[1]};
  }
  return tensors;
}

void SetInput(onnx::NodeProto& node, int input, const std::string& name) {
  while (node.input_size() <= input) node.add_input("");
  node.set_input(input, name);
}

// How much each expert counts, of all. ONNX Runtime's QMoE normalizes what it reads of the chosen
// ones in any case, unless it is given this.
std::string RouterWeights(const onnx::NodeProto& node, NodeSink& sink) {
  const std::string& router = node.input(1);
  return sink.Once(absl::StrCat(router, " softmax"), [&]() {
    std::string weights = sink.UniqueValue(absl::StrCat(router, "_weights"));
    onnx::NodeProto& softmax = sink.AddNode();
    softmax = MakeNode("Softmax", sink.UniqueNode(absl::StrCat(weights, "/Softmax")), {router},
                       {weights});
    SetInt(softmax, "axis", 1);
    return weights;
  });
}

// The first table also changes the operator, whose inputs have other places: each table has its
// scales behind it, and zero points stand at the end.
void Read(const Stored& stored, absl::Span<const std::string> names, int input,
          onnx::NodeProto& node, NodeSink& sink) {
  if (node.op_type() == "MoE") {
    const auto bias = [&node](int at) { return Has(node, at) ? node.input(at) : std::string(); };
    const std::vector<std::string> inputs = {node.input(0), node.input(1), "", "", bias(3), "", "",
                                             bias(5)};
    node.clear_input();
    for (const std::string& name : inputs) node.add_input(name);
    node.set_op_type("QMoE");
    if (!node.name().empty()) {
      node.set_name(sink.UniqueNode(absl::StrCat(node.name(), CodesSuffix(stored.format.bits))));
    }
    if (!Normalizes(node)) SetInput(node, kRouterWeights, RouterWeights(node, sink));
    SetInt(node, "expert_weight_bits", stored.format.bits);
    SetInt(node, "block_size", stored.format.block);
    // Without it CUDA takes the codes for those of a layout of its own.
    SetInt(node, "weights_prepacked", 0);
  }
  const bool first = input == kFirstTable;
  const int table = first ? 2 : 5;
  SetInput(node, table, names[0]);
  SetInput(node, table + 1, names[1]);
  if (names.size() > 2) SetInput(node, kFirstZeroPoints + (first ? 0 : 1), names[2]);
}

}  // namespace

extern const Format kQMoE;
constinit const Format kQMoE = {
    .name = "qmoe",
    .words = kWords,
    .parameters = kBlockParameters,
    .operators = kOperators,
    .takes_method = true,
    .in_place = true,
    .together = kTogether,
    .fits = Fits,
    .tensors = Tensors,
    .codec = MakeBlockCodec,
    .read = Read,
    .runs = "CPU, from ONNX Runtime 1.30 on",
    .about = "com.microsoft QMoE: the tables of experts in blocks, each with a scale",
};

}  // namespace onnxquant
