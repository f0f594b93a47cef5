#include "lib/analysis/coded_weights.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/op_traits.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr std::size_t kMostLinks = 64;
constexpr std::int64_t kLongestBlock = 1 << 30;

// How one operator holds a weight: what its inputs are, or nothing where it holds none in codes.
struct SourceForm {
  const char* op = nullptr;
  bool (*take)(const Graph& graph, const ValueTypes& types, CodedWeight& found) = nullptr;
};

bool IsConstant(const Graph& graph, ValueId value) {
  return value != kNone && graph.value(value).scope == kMainScope &&
         IsConvertibleConstant(graph, value) && ConstantTensor(graph, value) != nullptr;
}

bool IsSmallInteger(ElementType type) {
  switch (type) {
    case ElementType::kInt2:
    case ElementType::kInt4:
    case ElementType::kInt8:
    case ElementType::kUint2:
    case ElementType::kUint4:
    case ElementType::kUint8:
      return true;
    default:
      return false;
  }
}

bool IsSigned(ElementType type) {
  return type == ElementType::kInt2 || type == ElementType::kInt4 || type == ElementType::kInt8;
}

// What of a DequantizeLinear is no matrix in blocks; "" for nothing.
std::string WhyNotInBlocks(const Graph& graph, const ValueTypes& types, const CodedWeight& found) {
  if (found.dims.size() != 2) {
    return absl::StrCat("its codes have ", found.dims.size(), " dimensions, and a matrix has two");
  }
  if (found.block == 0) return "it has a scale for each channel or for all, and none for a block";
  if (found.block < 0 || found.block > kLongestBlock) {
    return absl::StrCat("its blocks have ", found.block, " codes");
  }
  if (found.axis < 0 || found.axis > 1) return "its axis is none of a matrix";
  if (!IsConstant(graph, found.scales)) return "its scales are no constant";
  std::vector<std::int64_t> blocks = found.dims;
  std::int64_t& along = blocks[static_cast<std::size_t>(found.axis)];
  along = (along + found.block - 1) / found.block;
  const ElementType scale = types[found.scales];
  if (*ConstantShape(graph, found.scales) != blocks || !IsFloat(scale) ||
      scale == ElementType::kDouble) {
    return "its scales are not one float for each block";
  }
  if (found.zero_points == kNone) {
    return found.is_signed ? ""
                           : "its codes are unsigned and have no zero points, which other readers "
                             "take for codes around the middle";
  }
  if (!IsConstant(graph, found.zero_points)) return "its zero points are no constant";
  if (*ConstantShape(graph, found.zero_points) != blocks ||
      types[found.zero_points] != types[found.codes]) {
    return "its zero points are not one for each block";
  }
  return "";
}

bool TakeDequantizeLinear(const Graph& graph, const ValueTypes& types, CodedWeight& found) {
  const onnx::NodeProto& node = *graph.node(found.decoder).proto;
  found.codes = InputOf(graph, found.decoder, 0);
  if (!IsConstant(graph, found.codes) || !IsSmallInteger(types[found.codes])) return false;
  found.scales = InputOf(graph, found.decoder, 1);
  found.zero_points = InputOf(graph, found.decoder, 2);
  found.dims = *ConstantShape(graph, found.codes);
  found.bits = BitsOf(types[found.codes]);
  found.is_signed = IsSigned(types[found.codes]);
  found.block = IntAttribute(node, "block_size", 0);
  std::int64_t axis = IntAttribute(node, "axis", 1);
  const auto rank = static_cast<std::int64_t>(found.dims.size());
  if (axis < 0) axis += rank;
  found.axis = axis < 0 || axis >= rank ? -1 : static_cast<int>(axis);
  found.stays = WhyNotInBlocks(graph, types, found);
  return true;
}

constexpr SourceForm kForms[] = {{"DequantizeLinear", TakeDequantizeLinear}};

bool SwapsTwoAxes(const onnx::NodeProto& node) {
  const onnx::AttributeProto* perm = FindAttribute(node, "perm");
  return perm == nullptr || (perm->ints_size() == 2 && perm->ints(0) == 1 && perm->ints(1) == 0);
}

// Follows the floats to what reads them, through what swaps their axes, rounds them, or nothing.
class ReaderFinder {
 public:
  ReaderFinder(const Graph& graph, const ValueTypes& types, CodedWeight& found)
      : graph_(graph), types_(types), found_(found) {}

  void Follow(ValueId value, bool transposed) {
    if (graph_.value(value).graph_output) Stay("its floats are an output of the model");
    for (const Use& use : graph_.value(value).uses) {
      const Node& node = graph_.node(use.node);
      if (node.scope != kMainScope) {
        Stay("a node in a body of If, Loop or Scan reads its floats");
        continue;
      }
      const bool transpose = IsAnyOf(graph_, use.node, {"Transpose"});
      const bool gives = node.outputs.size() == 1 && node.outputs[0] != kNone;
      const bool cast =
          gives && IsAnyOf(graph_, use.node, {"Cast"}) && IsFloat(types_[node.outputs[0]]);
      const bool passes = cast || (transpose && SwapsTwoAxes(*node.proto)) ||
                          IsAnyOf(graph_, use.node, {"Identity"});
      if (passes && gives && found_.links.size() < kMostLinks) {
        found_.links.push_back(use.node);
        Follow(node.outputs[0], transposed != transpose);
      } else if ((use.input == 1 && IsAnyOf(graph_, use.node, {"MatMul", "Gemm", "Einsum"})) ||
                 (use.input == 0 && IsAnyOf(graph_, use.node, {"Gather"}))) {
        found_.readers.push_back({use, transposed});
      } else {
        Stay(absl::StrCat("its floats are also read by ", graph_.Describe(use.node),
                          ", which is no product with them on the right and no Gather"));
      }
    }
  }

 private:
  void Stay(std::string reason) {
    if (found_.stays.empty()) found_.stays = std::move(reason);
  }

  const Graph& graph_;
  const ValueTypes& types_;
  CodedWeight& found_;
};

}  // namespace

std::vector<CodedWeight> FindCodedWeights(const Graph& graph, const ValueTypes& types) {
  std::vector<CodedWeight> weights;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.scope != kMainScope || node.outputs.size() != 1 || node.outputs[0] == kNone) continue;
    for (const SourceForm& form : kForms) {
      if (!IsOnnxDomain(node.proto->domain()) || node.proto->op_type() != form.op) continue;
      CodedWeight found;
      found.decoder = id;
      if (!form.take(graph, types, found)) continue;
      ReaderFinder(graph, types, found).Follow(node.outputs[0], false);
      if (!found.readers.empty()) weights.push_back(std::move(found));
    }
  }
  return weights;
}

}  // namespace onnxquant
