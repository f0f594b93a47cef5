#include "lib/analysis/hazard_context.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/small_constants.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr int kLongestMove = 8;
constexpr std::ptrdiff_t kMostInferred = 20'000;  // nodes: it takes a copy of them all

constexpr absl::string_view kMovers[] = {"Identity", "Reshape", "Unsqueeze", "Squeeze",
                                         "Expand",   "Tile",    "Transpose", "Flatten",
                                         "Cast",     "Slice",   "Gather",    "Split"};

// The longest axis of an operand of an Einsum that its result lacks; 1 where there is none, as in
// an outer product. Of equations with "..." or without "->", the operand's longest axis.
std::int64_t SummedByEinsum(const onnx::NodeProto& einsum, int input,
                            const std::vector<std::int64_t>& shape) {
  const onnx::AttributeProto* attribute = FindAttribute(einsum, "equation");
  const std::string text =
      attribute == nullptr ? "" : absl::StrReplaceAll(attribute->s(), {{" ", ""}});
  const std::size_t arrow = text.find("->");
  const std::vector<std::string> terms = absl::StrSplit(text.substr(0, arrow), ',');
  const auto index = static_cast<std::size_t>(input);
  const bool spelt = arrow != std::string::npos && index < terms.size() &&
                     terms[index].size() == shape.size() && text.find("...") == std::string::npos;
  if (!spelt) return *std::max_element(shape.begin(), shape.end());
  std::int64_t longest = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (text.find(terms[index][axis], arrow) != std::string::npos) continue;
    if (shape[axis] == kOpenDim) return kOpenDim;
    longest = std::max(longest, shape[axis]);
  }
  return longest;
}

}  // namespace

const std::string& HazardContext::Op(NodeId node) const {
  static const std::string& none = *new std::string();
  if (node == kNone) return none;
  const Operator& op = graph_.OperatorOf(node);
  return op.onnx ? op.type : none;
}

bool HazardContext::IsOneOf(NodeId node, absl::Span<const absl::string_view> ops) const {
  const absl::string_view op = Op(node);
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

bool HazardContext::IsMover(NodeId node) const {
  return IsOneOf(node, kMovers);
}

bool HazardContext::IsSquare(NodeId node) const {
  if (Op(node) == "Pow") return Scalar(Input(node, 1)) == 2.0;
  return Op(node) == "Mul" && Input(node, 0) == Input(node, 1);
}

bool HazardContext::IsProductWithItself(NodeId node) const {
  if (!IsOneOf(node, {"MatMul", "Gemm", "Einsum"})) return false;
  // Parts of one value, as queries and keys often are, are two values.
  const auto origin = [this](ValueId value) {
    constexpr absl::string_view kParts[] = {"Slice", "Gather", "Split"};
    for (int i = 0; i < kLongestMove; ++i) {
      const NodeId mover = Producer(value);
      if (mover == kNone || !IsMover(mover) || IsOneOf(mover, kParts)) break;
      value = Input(mover, 0);
    }
    return value;
  };
  const ValueId first = origin(Input(node, 0));
  return first != kNone && first == origin(Input(node, 1)) && !IsConstant(first) &&
         (Op(node) != "Einsum" || graph_.node(node).inputs.size() == 2);
}

ValueId HazardContext::Input(NodeId node, int input) const {
  return node == kNone ? kNone : InputOf(graph_, node, input);
}

ValueId HazardContext::Output(NodeId node) const {
  return OutputOf(graph_, node);
}

NodeId HazardContext::Producer(ValueId value) const {
  return value == kNone ? kNone : graph_.value(value).producer;
}

ValueId HazardContext::Origin(ValueId value) const {
  for (int i = 0; i < kLongestMove; ++i) {
    const NodeId producer = Producer(value);
    if (producer == kNone || !IsMover(producer) || Input(producer, 0) == kNone) break;
    value = Input(producer, 0);
  }
  return value;
}

ElementType HazardContext::TypeOf(ValueId value) const {
  return value == kNone ? ElementType::kUndefined : types_[value];
}

bool HazardContext::IsConstant(ValueId value) const {
  return value != kNone && ConstantShape(graph_, Origin(value)).has_value();
}

std::optional<std::vector<double>> HazardContext::Constant(ValueId value) const {
  return value == kNone ? std::nullopt : SmallConstant(graph_, Origin(value));
}

std::optional<double> HazardContext::Scalar(ValueId value) const {
  const std::optional<std::vector<double>> numbers = Constant(value);
  if (!numbers || numbers->size() != 1) return std::nullopt;
  return numbers->front();
}

std::optional<double> HazardContext::OtherScalar(const Use& use) const {
  if (graph_.node(use.node).inputs.size() != 2) return std::nullopt;
  return Scalar(Input(use.node, 1 - use.input));
}

std::optional<double> HazardContext::ClipLimit(NodeId clip, const char* attribute,
                                               int input) const {
  const onnx::AttributeProto* limit = FindAttribute(*graph_.node(clip).proto, attribute);
  if (limit != nullptr) return limit->f();
  return Scalar(Input(clip, input));
}

bool HazardContext::IsShortProduct(NodeId node) const {
  constexpr std::int64_t kShort = 16;
  if (!IsOneOf(node, {"MatMul", "Gemm", "Einsum"})) return false;
  for (const int input : {0, 1}) {
    const ValueId value = Input(node, input);
    const auto shape = ShapeOf(value);
    if (!shape && !IsConstant(value)) continue;
    if (!shape || shape->empty()) return false;
    const std::size_t rank = shape->size();
    const bool turned = Op(node) == "Gemm" &&
                        IntAttribute(*graph_.node(node).proto, input == 0 ? "transA" : "transB", 0);
    const bool last = rank == 1 || (input == 0) != turned;
    const std::int64_t summed = Op(node) == "Einsum"
                                    ? SummedByEinsum(*graph_.node(node).proto, input, *shape)
                                    : (*shape)[last ? rank - 1 : rank - 2];
    // An axis of no known length may be one of coordinates, an open one is none.
    if (summed > kShort || summed == kOpenDim) return false;
  }
  return true;
}

std::optional<std::vector<std::int64_t>> HazardContext::ShapeOf(ValueId value) const {
  if (value == kNone) return std::nullopt;
  if (auto shape = ConstantShape(graph_, value)) return shape;
  const onnx::ValueInfoProto* declared = graph_.value(value).declared;
  if (declared != nullptr) {
    if (auto shape = DeclaredShape(*declared, open_dims_)) return shape;
  }
  // Many exporters declare the graph's inputs and outputs alone.
  if (!inferred_) {
    const bool few = std::ssize(graph_.nodes()) <= kMostInferred;
    inferred_ = few ? InferShapesWithOnnx(graph_, open_dims_) : InferredShapes();
  }
  const auto found = inferred_->find(value);
  return found == inferred_->end() ? std::nullopt : std::optional(found->second);
}

void HazardContext::Follow(ValueId value, int depth,
                           absl::FunctionRef<bool(const Use&, const Path&)> visit) const {
  Path path;
  int readings = kMostReadings;
  FollowFrom(value, depth, readings, path, visit);
}

void HazardContext::FollowFrom(ValueId value, int depth, int& readings, Path& path,
                               absl::FunctionRef<bool(const Use&, const Path&)> visit) const {
  if (value == kNone || depth == 0) return;
  for (const Use& use : graph_.value(value).uses) {
    if (readings-- <= 0) return;
    if (!visit(use, path)) continue;
    path.push_back(use.node);
    FollowFrom(Output(use.node), depth - 1, readings, path, visit);
    path.pop_back();
  }
}

std::string HazardContext::QuoteValue(ValueId value) const {
  return absl::StrCat("'", value == kNone ? "" : graph_.value(value).name, "'");
}

std::string HazardContext::Quote(NodeId node) const {
  return QuoteValue(node == kNone ? kNone : Output(node));
}

void HazardContext::Report(NodeId node, const std::string& why) {
  const auto is_float = [this](ValueId value) { return IsFloat(value); };
  const Node& found = graph_.node(node);
  if (std::any_of(found.inputs.begin(), found.inputs.end(), is_float) ||
      std::any_of(found.outputs.begin(), found.outputs.end(), is_float)) {
    reports_.emplace(node, why);
  }
}

void HazardContext::Report(absl::Span<const NodeId> nodes, const std::string& why) {
  for (const NodeId node : nodes) Report(node, why);
}

void HazardContext::ReportMakers(ValueId value, const std::string& why, IdVector<bool>& seen,
                                 absl::FunctionRef<bool(NodeId)> makes) {
  std::vector<NodeId> open = {Producer(value)};
  while (!open.empty()) {
    const NodeId node = open.back();
    open.pop_back();
    if (node == kNone || seen[node] || !makes(node)) continue;
    seen[node] = true;
    Report(node, why);
    for (const ValueId input : graph_.node(node).inputs) {
      if (IsFloat(input)) open.push_back(Producer(input));
    }
  }
}

std::string NumberText(double number) {
  return absl::StrFormat("%.6g", number);
}

}  // namespace onnxquant
