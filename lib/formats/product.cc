#include "lib/formats/product.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace onnxquant {
namespace {

const onnx::AttributeProto* Attribute(const onnx::NodeProto& node, absl::string_view name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

bool Flag(const onnx::NodeProto& node, absl::string_view name) {
  const onnx::AttributeProto* attribute = Attribute(node, name);
  return attribute != nullptr && attribute->i() != 0;
}

float Factor(const onnx::NodeProto& node, absl::string_view name) {
  const onnx::AttributeProto* attribute = Attribute(node, name);
  return attribute == nullptr ? 1.0F : attribute->f();
}

// "bik,kn->bin" and the like: rows of the first operand, which end with what is summed, times a
// matrix.
struct Equation {
  bool product = false;
  bool turned = false;  // the matrix is [N,K]
};
Equation EquationOf(const onnx::NodeProto& node) {
  Equation equation;
  const onnx::AttributeProto* attribute = Attribute(node, "equation");
  if (attribute == nullptr) return equation;
  const std::string text = absl::StrReplaceAll(attribute->s(), {{" ", ""}});
  const std::vector<std::string> sides = absl::StrSplit(text, "->");
  const std::vector<std::string> operands = absl::StrSplit(sides[0], ',');
  if (sides.size() != 2 || operands.size() != 2 || operands[1].size() != 2) return equation;
  absl::string_view left = operands[0];
  absl::string_view out = sides[1];
  if (absl::ConsumePrefix(&left, "...") != absl::ConsumePrefix(&out, "...")) return equation;
  const std::set<char> labels(left.begin(), left.end());
  if (left.size() < 2 || labels.size() != left.size() || labels.contains('.')) return equation;
  const char summed = left.back();
  equation.turned = operands[1][1] == summed;
  const char column = operands[1][equation.turned ? 0 : 1];
  equation.product = operands[1][equation.turned ? 1 : 0] == summed && column != '.' &&
                     !labels.contains(column) &&
                     out == absl::StrCat(left.substr(0, left.size() - 1), std::string(1, column));
  return equation;
}

// Whether it lies where float16 has all its digits.
bool HoldsInHalf(float factor) {
  constexpr float kSmallest = 6.104e-5F;
  constexpr float kLargest = 65504;
  const float magnitude = std::fabs(factor);
  return factor == 0 || (magnitude >= kSmallest && magnitude <= kLargest);
}

// value * factor, of a value in `type`.
std::string Scaled(const std::string& value, float factor, ElementType type, NodeSink& sink) {
  if (factor == 1) return value;
  const std::string number =
      AddConstant(sink, absl::StrCat(value, "/factor"), ScalarTensor(factor, type));
  std::string scaled = sink.UniqueValue(absl::StrCat(value, "_times"));
  sink.AddNode() =
      MakeNode("Mul", sink.UniqueNode(absl::StrCat(scaled, "/Mul")), {value, number}, {scaled});
  return scaled;
}

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
std::string WhyNoChannelProduct(const WeightReading& reading) {
  if (reading.input != 1) return "only the filters of a Conv are stored in codes";
  if (!reading.follows || reading.dims.size() < 3) {
    return absl::StrCat("of ", reading.dims.size(), " dimensions; a Conv's filters have more");
  }
  if (std::count(reading.dims.begin(), reading.dims.end(), 0) > 0) return "it is empty";
  if (std::any_of(reading.dims.begin() + 2, reading.dims.end(),
                  [](std::int64_t dim) { return dim != 1; })) {
    return "its Conv sums over several places, and a product of codes over channels alone";
  }
  if (Says(*reading.node, "group", 1)) return "its Conv has groups, each a product of its own";
  if (Says(*reading.node, "strides", 1)) return "its Conv leaves out places (strides)";
  if (Says(*reading.node, "pads", 0)) return "its Conv adds places (pads)";
  return "";
}

}  // namespace

bool TakesTurned(const onnx::NodeProto& node) {
  if (node.op_type() == "Einsum") return EquationOf(node).turned;
  return node.op_type() == "Gemm" && Flag(node, "transB");
}

bool IsMatrixProduct(const onnx::NodeProto& einsum) {
  return EquationOf(einsum).product;
}

ProductFit FitChannelProduct(const WeightReading& reading) {
  ProductFit fit;
  fit.reason = WhyNoChannelProduct(reading);
  if (!fit.reason.empty()) return fit;
  fit.n = reading.dims[0];
  fit.k = reading.dims[1];
  fit.transposed = true;
  return fit;
}

ProductFit FitProduct(const WeightReading& reading) {
  ProductFit fit;
  std::vector<std::int64_t> dims = reading.dims;
  const bool gemm = reading.op == "Gemm";
  const std::size_t rank = dims.size();
  if (reading.input != 1) {
    fit.reason = absl::StrCat("only the second operand of a ", reading.op, " is stored in codes");
    return fit;
  }
  if (reading.op == "Einsum" && !IsMatrixProduct(*reading.node)) {
    fit.reason = "its Einsum is no product of rows with a matrix, such as 'bik,kn->bin'";
    return fit;
  }
  if (reading.op == "MatMul" && rank == 3 && dims[0] == 1) {
    if (reading.other_rank < 3) {
      fit.reason = reading.other_rank < 0
                       ? "of 3 dimensions, and those of what it is multiplied with are not known"
                       : "of 3 dimensions, and what it is multiplied with has fewer";
      return fit;
    }
    dims.erase(dims.begin());
  }
  if (!reading.follows || dims.size() != 2) {
    fit.reason = absl::StrCat("of ", rank, rank == 1 ? " dimension" : " dimensions",
                              "; a product's codes are those of one matrix");
    return fit;
  }
  if (dims[0] == 0 || dims[1] == 0) {
    fit.reason = "it is empty";
    return fit;
  }
  if (gemm && reading.compute == ElementType::kFloat16 &&
      (!HoldsInHalf(Factor(*reading.node, "alpha")) ||
       !HoldsInHalf(Factor(*reading.node, "beta")))) {
    fit.reason = "its Gemm multiplies by a factor that float16 cannot hold";
    return fit;
  }
  fit.transposed = reading.transposed != TakesTurned(*reading.node);
  fit.k = dims[fit.transposed ? 1 : 0];
  fit.n = dims[fit.transposed ? 0 : 1];
  return fit;
}

Product BeginProduct(const onnx::NodeProto& node, absl::string_view suffix, NodeSink& sink) {
  Product product;
  product.a = node.input(0);
  product.out = node.output(0);
  if (!node.name().empty()) product.name = sink.UniqueNode(absl::StrCat(node.name(), suffix));
  if (node.op_type() != "Gemm") return product;
  if (Flag(node, "transA")) {
    const std::string turned = sink.UniqueValue(absl::StrCat(product.a, "_transposed"));
    sink.AddNode() = MakeNode("Transpose", sink.UniqueNode(absl::StrCat(turned, "/Transpose")),
                              {product.a}, {turned});
    product.a = turned;
  }
  product.alpha = Factor(node, "alpha");
  product.beta = Factor(node, "beta");
  // With a factor of 0 it is not even looked at.
  if (node.input_size() > 2 && product.beta != 0) product.c = node.input(2);
  product.whole = product.alpha == 1 && product.c.empty();
  if (!product.whole) product.out = sink.UniqueValue(absl::StrCat(node.output(0), "_product"));
  return product;
}

onnx::NodeProto& ProductNode(const Product& product, onnx::NodeProto& node, NodeSink& sink) {
  onnx::NodeProto& multiplies = product.whole ? node : sink.AddNode();
  multiplies.clear_input();
  multiplies.clear_attribute();
  multiplies.clear_output();
  multiplies.add_output(product.out);
  multiplies.set_name(product.name);
  return multiplies;
}

void EndProduct(const Product& product, ElementType type, onnx::NodeProto& node, NodeSink& sink) {
  if (product.whole) return;
  if (product.c.empty()) {
    const std::string number =
        AddConstant(sink, absl::StrCat(product.out, "/factor"), ScalarTensor(product.alpha, type));
    node.set_op_type("Mul");
    node.clear_input();
    node.add_input(product.out);
    node.add_input(number);
  } else {
    const std::string sum = Scaled(product.out, product.alpha, type, sink);
    const std::string c = Scaled(product.c, product.beta, type, sink);
    node.set_op_type("Add");
    node.clear_input();
    node.add_input(sum);
    node.add_input(c);
  }
  node.clear_attribute();
}

}  // namespace onnxquant
