#include "lib/analysis/stream_walker.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "lib/analysis/graph_walk.h"

namespace onnxquant {
namespace {

// Of the stream's own scale; no float holds a number to such a power.
constexpr int kMostDegree = 1024;

constexpr float kSkipNormEpsilon = 1e-12F;  // of ONNX Runtime's Skip… norms
constexpr float kNormEpsilon = 1e-5F;

}  // namespace

bool IsSkipNorm(const Graph& graph, NodeId node) {
  return IsAnyOf(graph, node, {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"});
}

bool IsScaleInvariantNorm(const Graph& graph, NodeId node) {
  return IsSkipNorm(graph, node) ||
         IsAnyOf(graph, node,
                 {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization"});
}

float DefaultEpsilon(const Graph& graph, NodeId norm) {
  return IsSkipNorm(graph, norm) ? kSkipNormEpsilon : kNormEpsilon;
}

ResidualStream FindResidualStream(const Graph& graph, const ValueTypes& types, const Roles& roles,
                                  const std::vector<WeightUse>& uses) {
  return StreamWalker(graph, types, roles, uses).Run();
}

StreamWalker::StreamWalker(const Graph& graph, const ValueTypes& types, const Roles& roles,
                           const std::vector<WeightUse>& uses)
    : graph_(graph),
      types_(types),
      roles_(roles),
      uses_(uses),
      context_(graph, types),
      degree_(graph.values().size(), 0),
      stream_node_(graph.nodes().size(), false),
      visited_(graph.nodes().size(), false),
      uses_of_value_(graph.values().size(), 0) {
  for (std::size_t i = 0; i < uses.size(); ++i) {
    use_at_[{uses[i].reader.node, uses[i].reader.input}] = i;
    ++uses_of_value_[uses[i].weight];
  }
  stream_.clips = FindStreamClips(graph, types, roles);
  for (const StreamClip& clip : stream_.clips) clips_.insert(clip.clip);
}

ResidualStream StreamWalker::Run() {
  for (const NodeId id : graph_.order()) {
    const bool add = roles_.nodes[id].role == Role::kResidual;
    if (!add && !IsSkipNorm(graph_, id)) continue;
    stream_node_[id] = true;
    stream_.adds.push_back(id);
  }
  if (stream_.adds.empty()) {
    stream_.refusal = "no residual Add was found in the model";
    return std::move(stream_);
  }
  for (const NodeId id : graph_.order()) {
    if (!Visit(id)) return std::move(stream_);
    visited_[id] = true;
  }
  for (const NodeId id : graph_.order()) {
    for (const ValueId output : graph_.node(id).outputs) {
      if (DegreeOf(output) == 1) stream_.values.push_back(output);
    }
    if (const auto norm = norms_.find(id); norm != norms_.end()) {
      stream_.norms.push_back({id, norm->second});
    }
  }
  for (const auto& [use, degree] : scaled_) stream_.constants.push_back({use, degree});
  return std::move(stream_);
}

// Whether the walk may go on.
bool StreamWalker::Visit(NodeId id) {
  const Node& node = graph_.node(id);
  const bool touched = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [this](ValueId value) { return DegreeOf(value) != 0; });
  if (!touched && !IsStreamNode(id)) return true;
  if (IsScaleInvariantNorm(graph_, id)) return VisitNorm(id);
  if (Is(id, {"Add", "Sub", "Sum", "Max", "Min", "Concat"})) return VisitSum(id);
  if (Is(id, {"Mul", "Div", "Pow", "Sqrt", "Reciprocal", "ReduceSumSquare"})) {
    return VisitProduct(id);
  }
  return VisitOther(id);
}

// What is added, compared or joined has to have one degree.
bool StreamWalker::VisitSum(NodeId id) {
  int degree = 0;
  const auto count = static_cast<int>(graph_.node(id).inputs.size());
  for (int i = 0; i < count; ++i) {
    const int one = DegreeAt(id, i);
    if (one != 0 && degree != 0 && one != degree) {
      return Refuse(id, "joins it with a value that grows otherwise");
    }
    if (one != 0) degree = one;
  }
  if (degree == 0) degree = 1;  // the first residual Add of a stream
  for (int i = 0; i < count; ++i) {
    if (Input(id, i) == kNone || DegreeAt(id, i) != 0) continue;
    if (const auto use = ScalableUse(id, i)) {
      scaled_[*use] = degree;
    } else if (degree == 1) {
      Enter({id, i});
    } else {
      return Refuse(id, absl::StrCat("adds ", context_.QuoteValue(Input(id, i)),
                                     ", which is no constant, to its squares"));
    }
  }
  if (degree != 1) stream_.chains.push_back(id);
  return Give(id, degree);
}

bool StreamWalker::VisitNorm(NodeId id) {
  const Node& node = graph_.node(id);
  const bool skip = IsSkipNorm(graph_, id);
  const int added = skip ? 2 : 1;
  int degree = 0;
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    if (i >= added && DegreeAt(id, i) != 0) return Refuse(id, "takes it as a parameter");
    if (i < added && DegreeAt(id, i) != 0) degree = DegreeAt(id, i);
  }
  if (degree == 0) degree = 1;
  for (const int moment : {1, 2}) {
    const ValueId output = OutputOf(graph_, id, moment);
    if (output == kNone) continue;
    const Value& value = graph_.value(output);
    if (!value.uses.empty() || value.graph_output) {
      return Refuse(id, "hands out its mean or deviation, which depend on the scale");
    }
  }
  if (skip) {
    if (degree != 1) return Refuse(id, "adds to its squares");
    for (int i = 0; i < added; ++i) {
      if (DegreeAt(id, i) == 0 && Input(id, i) != kNone) Enter({id, i});
    }
    const bool mean = Is(id, {"SkipLayerNormalization"});
    const int bias = mean ? 4 : 3;
    if (Input(id, bias) != kNone) {
      if (const auto use = ScalableUse(id, bias)) {
        scaled_[*use] = 1;
      } else {
        Enter({id, bias});
      }
    }
    constexpr std::size_t kSum = 3;
    if (node.outputs.size() > kSum && !SetDegree(node.outputs[kSum], 1)) return false;
  }
  norms_[id] = degree;
  const int gain = skip ? 2 : 1;
  const auto shape =
      Input(id, gain) == kNone ? std::nullopt : ConstantShape(graph_, Input(id, gain));
  if (shape && !shape->empty() && (stream_.width == 0 || shape->back() < stream_.width)) {
    stream_.width = shape->back();
  }
  return true;
}

bool StreamWalker::VisitProduct(NodeId id) {
  const int first = DegreeAt(id, 0);
  const int second = DegreeAt(id, 1);
  const bool linear = Is(id, {"Mul", "Div"}) && first * second == 0 && first + second == 1;
  if (!linear) stream_.chains.push_back(id);
  if (Is(id, {"Mul"})) return Give(id, first + second);
  if (Is(id, {"Div"})) return Give(id, first - second);
  if (Is(id, {"Reciprocal"})) return Give(id, -first);
  if (Is(id, {"ReduceSumSquare"})) return Give(id, 2 * first);
  std::optional<double> exponent = 0.5;
  if (Is(id, {"Pow"})) exponent = context_.Scalar(Input(id, 1));
  if (!exponent || second != 0) return Refuse(id, "raises to a power that is no constant");
  const double degree = first * *exponent;
  if (std::abs(degree) > kMostDegree) return Refuse(id, "raises to a very high power");
  if (degree != std::floor(degree)) return Refuse(id, "takes a root of it that has no whole power");
  return Give(id, static_cast<int>(degree));
}

// What moves elements, or adds up or picks among them, keeps their degree.
bool StreamWalker::VisitOther(NodeId id) {
  if (Is(id, {"Shape", "Size"})) return true;
  const bool rest = std::any_of(graph_.node(id).inputs.begin() + 1, graph_.node(id).inputs.end(),
                                [this](ValueId value) { return DegreeOf(value) != 0; });
  const bool keeps = Is(id, {"Identity",  "Reshape",  "Flatten",    "Squeeze",   "Unsqueeze",
                             "Transpose", "Slice",    "Gather",     "GatherND",  "GatherElements",
                             "Expand",    "Tile",     "Split",      "Dropout",   "Cast",
                             "Neg",       "Abs",      "ReduceMean", "ReduceSum", "ReduceMax",
                             "ReduceMin", "ReduceL1", "ReduceL2"});
  if (clips_.contains(id)) return Give(id, DegreeAt(id, 0));
  if (rest || !keeps) return Refuse(id, "is no normalization");
  if (Is(id, {"Cast"})) {
    const ElementType type = context_.TypeOf(context_.Output(id));
    if (!IsFloat(type)) return Refuse(id, "is no normalization");
  }
  if (DegreeAt(id, 0) != 1 || Is(id, {"ReduceL2"})) stream_.chains.push_back(id);
  return Give(id, DegreeAt(id, 0));
}

bool StreamWalker::Give(NodeId id, int degree) {
  if (std::abs(degree) > kMostDegree) return Refuse(id, "raises to a very high power");
  for (const ValueId output : graph_.node(id).outputs) {
    if (output == kNone) continue;
    const bool mask = Is(id, {"Dropout"}) && output != graph_.node(id).outputs[0];
    if (!mask && !SetDegree(output, degree)) return false;
  }
  return true;
}

bool StreamWalker::SetDegree(ValueId id, int degree) {
  if (id == kNone) return true;
  const Value& value = graph_.value(id);
  if (degree != 0 && value.graph_output) {
    stream_.refusal = absl::StrCat(
        context_.QuoteValue(id), " of the residual stream is an output of ",
        value.scope == kMainScope ? "the graph" : "a body", ", where its scale would be seen");
    return false;
  }
  degree_[id] = degree;
  return true;
}

bool StreamWalker::Refuse(NodeId reader, const std::string& why) {
  std::string value = "a value";
  for (const ValueId input : graph_.node(reader).inputs) {
    if (DegreeOf(input) == 0) continue;
    value = context_.QuoteValue(input);
    break;
  }
  stream_.refusal = absl::StrCat(value, " of the residual stream is read by ",
                                 graph_.Describe(reader), ", which ", why);
  return false;
}

bool StreamWalker::Is(NodeId node, absl::Span<const absl::string_view> ops) const {
  return IsAnyOf(graph_, node, ops);
}

ValueId StreamWalker::Input(NodeId node, int input) const {
  return InputOf(graph_, node, input);
}

std::optional<std::size_t> StreamWalker::ScalableUse(NodeId node, int input) const {
  const auto it = use_at_.find({node, input});
  if (it == use_at_.end()) return std::nullopt;
  const WeightUse& use = uses_[it->second];
  // A Transpose in between can hand on one copy only.
  if (!use.chain.empty() && uses_of_value_[use.weight] > 1) {
    return std::nullopt;
  }
  return it->second;
}

}  // namespace onnxquant
