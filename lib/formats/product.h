// Products with a constant right operand, however they are spelt: MatMul; Gemm, of which the
// factors and the sum are left as nodes of their own; Einsum of nothing but a product. And Convs
// whose filters see one place, which have a row of their own (conv_nbits.cc).
#ifndef ONNXQUANT_LIB_FORMATS_PRODUCT_H_
#define ONNXQUANT_LIB_FORMATS_PRODUCT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/formats/format.h"
#include "lib/formats/node_sink.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

inline constexpr absl::string_view kProducts[] = {"MatMul", "Gemm", "Einsum"};

// Whether the node itself takes its right operand as [N,K]: "transB" of a Gemm, "ik,nk->in" of an
// Einsum.
bool TakesTurned(const onnx::NodeProto& node);

// Whether an Einsum is a product of rows with a matrix.
bool IsMatrixProduct(const onnx::NodeProto& einsum);

// The right operand as [K,N], of a reading that is a product with a matrix; else why it is none.
// Where B is [1,K,N], the other operand must have three dimensions, or the result had fewer.
struct ProductFit {
  std::int64_t k = 0;
  std::int64_t n = 0;
  bool transposed = false;  // the constant is [N,K]
  std::string reason;
};
ProductFit FitProduct(const WeightReading& reading);

// The filters of a Conv that is a product of each place's channels with a matrix, as [N,K]: filters
// of one place, which leaves out none and adds none; else why it is none. `transposed` holds.
ProductFit FitChannelProduct(const WeightReading& reading);

// A node that multiplies, taken apart.
struct Product {
  std::string a;      // the left operand, [..., M, K]
  std::string out;    // what the product alone is to be called
  std::string name;   // of the node that multiplies; "" where it had none
  bool whole = true;  // the product is all that the node did
  float alpha = 1;
  float beta = 1;
  std::string c;  // "" for none
};

// Adds a Transpose of a Gemm's left operand, if it asks for one. `suffix` is put behind the name.
Product BeginProduct(const onnx::NodeProto& node, absl::string_view suffix, NodeSink& sink);

// The node that gives `product.out`, with that output and nothing else yet: `node` itself where the
// product is all of it, else one that is added.
onnx::NodeProto& ProductNode(const Product& product, onnx::NodeProto& node, NodeSink& sink);

// What follows the product, in `type`: alpha * product + beta * C.
void EndProduct(const Product& product, ElementType type, onnx::NodeProto& node, NodeSink& sink);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_PRODUCT_H_
