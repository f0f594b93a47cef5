#include "lib/formats/operand.h"

#include <functional>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/formats/product.h"
#include "lib/schema/domain.h"

namespace onnxquant {
namespace {

// A product whose right operand is a matrix, or for a MatMul a pile of them.
bool IsProduct(const WeightReading& reading) {
  return reading.input == 1 && (reading.op == "MatMul" || reading.op == "Gemm" ||
                                (reading.op == "Einsum" && FitProduct(reading).reason.empty()));
}

std::int64_t ProductOf(absl::Span<const std::int64_t> dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

OperandFit FitOperand(const WeightReading& reading) {
  OperandFit fit;
  const absl::Span<const std::int64_t> dims = reading.dims;
  const auto rank = static_cast<int>(dims.size());
  const bool right = reading.input == 1;
  const bool product = IsProduct(reading);
  const bool turned = reading.transposed && !product;
  if (!reading.follows || rank < 2 || turned) {
    fit.reason = absl::StrCat("of ", rank, rank == 1 ? " dimension" : " dimensions",
                              turned ? ", transposed" : "", "; codes have two or more");
  } else if (ProductOf(dims) == 0) {
    fit.reason = "it is empty";
  } else if (product) {
    fit.transposed = reading.transposed != TakesTurned(*reading.node);
    fit.sum_axis = fit.transposed ? 1 : rank - 2;
    fit.channel_axis = fit.transposed ? 0 : rank - 1;
    fit.k = fit.transposed ? dims[1] : ProductOf(dims.first(dims.size() - 1));
    fit.n = fit.transposed ? dims[0] : dims.back();
  } else if (right && reading.op == "ConvTranspose") {
    fit.sum_axis = 0;
    fit.channel_axis = 1;
    fit.k = dims[0];
    fit.n = ProductOf(dims.subspan(1));
  } else {
    fit.transposed = true;
    fit.sum_axis = right && reading.op == "Conv" ? -1 : rank - 1;
    fit.channel_axis = 0;
    fit.n = dims[0];
    fit.k = ProductOf(dims.subspan(1));
  }
  return fit;
}

std::string OperandCodesKey(const Stored& stored) {
  return absl::StrCat(ToString(stored.format), " ", absl::StrJoin(stored.dims, "x"), " axis ",
                      stored.axis, stored.transposed ? " NK " : " KN ", NameOf(stored.scale));
}

std::int64_t GatherAxis(const onnx::NodeProto& node, std::size_t rank) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() != "axis") continue;
    return attribute.i() < 0 ? attribute.i() + static_cast<std::int64_t>(rank) : attribute.i();
  }
  return 0;
}

bool SeesSwapped(const Stored& stored, const onnx::NodeProto& node, int input) {
  const bool product =
      IsOnnxDomain(node.domain()) && (node.op_type() == "MatMul" || node.op_type() == "Gemm" ||
                                      (node.op_type() == "Einsum" && IsMatrixProduct(node)));
  return product && input == 1 && stored.dims.size() == 2 && stored.transposed != TakesTurned(node);
}

std::string Swapped(const std::string& value, NodeSink& sink) {
  return sink.Once(absl::StrCat(value, " turned"), [&]() {
    std::string turned = sink.UniqueValue(absl::StrCat(value, "_transposed"));
    onnx::NodeProto node = MakeNode(
        "Transpose", sink.UniqueNode(absl::StrCat(turned, "/Transpose")), {value}, {turned});
    // ONNX Runtime 1.30 ends at a Transpose behind a DequantizeLinear that does not say it.
    SetInts(node, "perm", {1, 0});
    sink.AddNode() = std::move(node);
    return turned;
  });
}

}  // namespace onnxquant
