#include "lib/statistics/targets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/op_traits.h"
#include "lib/analysis/ranks.h"
#include "lib/analysis/roles.h"
#include "lib/analysis/weight_nodes.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/formats/format.h"
#include "lib/formats/product.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kMixture = "com.microsoft::MoE";
constexpr int kFirstTable = 2;  // its inputs
constexpr int kSecondTable = 4;

bool IsProduct(absl::string_view op) {
  return op == "Conv" || op == kMixture ||
         std::find(std::begin(kProducts), std::end(kProducts), op) != std::end(kProducts);
}

// Of the table [experts, N, K] that all experts' products begin with. Each row is summed for all
// tokens, whichever experts they are sent to: a table has one set of moments, not one for each.
ProductFit FitExperts(const WeightReading& reading) {
  ProductFit fit;
  if (reading.input != kFirstTable) {
    fit.reason = "it reads what its experts compute inside, which a runtime does not give out";
  } else if (reading.dims.size() != 3 || !reading.follows || reading.transposed) {
    fit.reason = absl::StrCat("of ", reading.dims.size(), " dimensions; a MoE's tables have 3");
  } else {
    fit.k = reading.dims[2];
    fit.n = reading.dims[0] * reading.dims[1];
    fit.transposed = true;
    if (fit.k == 0 || fit.n == 0) fit.reason = "it is empty";
  }
  return fit;
}

RowsAlong AlongOf(const WeightReading& reading) {
  if (reading.op == "Conv") return {1, static_cast<int>(reading.dims.size())};
  if (IntAttribute(*reading.node, "transA", 0) != 0) return {0, 2};
  return {};
}

// Statistics of codes' inputs would be those of a damaged model.
absl::Status RefuseCodes(const Graph& graph, const std::string& origin) {
  constexpr std::array<absl::string_view, 4> kProductsOfCodes = {
      "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"};
  for (const NodeId id : graph.order()) {
    const onnx::NodeProto& node = *graph.node(id).proto;
    const bool unpacks = IsOnnxDomain(node.domain()) && node.op_type() == "DequantizeLinear" &&
                         ConstantBehind(graph, graph.node(id).inputs[0]) != kNone;
    if (!unpacks && !HoldsCodes(node) &&
        std::find(kProductsOfCodes.begin(), kProductsOfCodes.end(), node.op_type()) ==
            kProductsOfCodes.end()) {
      continue;
    }
    return ModelError(origin, ": ", graph.Describe(id),
                      " holds weights as codes; statistics are those of a model in floats: "
                      "calibrate the float32 model that this one was made from");
  }
  return absl::OkStatus();
}

class TargetFinder {
 public:
  TargetFinder(const Graph& graph, const Roles& roles) : graph_(graph), roles_(roles) {}

  void Add(const WeightUse& use) {
    const NodeId id = use.reader.node;
    if (!IsProduct(graph_.OpName(id))) return;
    const WeightReading reading = ReadingOf(use);
    const bool filters = reading.op == "Conv";
    const ProductFit fit = filters                  ? FitChannelProduct(reading)
                           : reading.op == kMixture ? FitExperts(reading)
                                                    : FitProduct(reading);
    // Most filters see more than one place, and none of those is stored in blocks; neither are
    // biases.
    if (filters && !fit.reason.empty()) return;
    const bool table = reading.input == kFirstTable || reading.input == kSecondTable;
    if (reading.op == kMixture && !table) return;
    const RowsAlong along = AlongOf(reading);
    const std::string reason = WhyNot(use, reading, fit, along);
    if (!reason.empty()) {
      targets_.others.push_back({graph_.Describe(id), reason});
      return;
    }
    const ValueId value = graph_.node(id).inputs[0];
    const auto [found, added] = by_value_.try_emplace(value, targets_.values.size());
    if (added) {
      targets_.values.push_back(
          {value, graph_.value(value).name, fit.k, along, roles_.nodes[id].layer, {}, {}, {}});
    }
    ObservedValue& target = targets_.values[found->second];
    target.readers.push_back(use.reader);
    target.outputs.push_back(fit.n);
    if (std::find(target.weights.begin(), target.weights.end(), use.weight) ==
        target.weights.end()) {
      target.weights.push_back(use.weight);
    }
  }

  ObservedValues Finish() && {
    absl::flat_hash_map<ValueId, std::size_t> place;
    for (const NodeId id : graph_.order(kMainScope)) {
      for (const ValueId output : graph_.node(id).outputs) place[output] = place.size() + 1;
    }
    // What no node makes, an input of the graph, comes first.
    std::stable_sort(targets_.values.begin(), targets_.values.end(),
                     [&](const ObservedValue& a, const ObservedValue& b) {
                       return place[a.value] < place[b.value];
                     });
    return std::move(targets_);
  }

 private:
  WeightReading ReadingOf(const WeightUse& use) const {
    const Node& node = graph_.node(use.reader.node);
    WeightReading reading;
    reading.node = node.proto;
    reading.op = graph_.OpName(use.reader.node);
    reading.input = use.reader.input;
    reading.dims = *ConstantShape(graph_, use.weight);
    reading.transposed = use.transposed;
    reading.in_body = node.scope != kMainScope;
    if (node.inputs[0] != kNone) reading.other_rank = RankOf(graph_, node.inputs[0]);
    return reading;
  }

  // "" for a product whose input is observed.
  std::string WhyNot(const WeightUse& use, const WeightReading& reading, const ProductFit& fit,
                     const RowsAlong& along) const {
    if (!fit.reason.empty()) return fit.reason;
    const Node& node = graph_.node(use.reader.node);
    if (reading.in_body) {
      const NodeId owner = graph_.scope(node.scope).owner;
      return absl::StrCat("it stands in a body of ", graph_.Describe(owner),
                          ", whose values a runtime does not give out");
    }
    const ValueId value = node.inputs[0];
    if (ConstantBehind(graph_, value) != kNone) return "what it reads is a constant";
    const std::string& name = graph_.value(value).name;
    if (ValidUtf8Prefix(name) != name.size()) {
      return "the name of what it reads is no UTF-8, which the file of statistics asks for";
    }
    const auto found = by_value_.find(value);
    if (found == by_value_.end()) return "";
    const ObservedValue& known = targets_.values[found->second];
    if (known.size != fit.k) {
      return absl::StrCat("it reads rows of ", fit.k, " elements, another product rows of ",
                          known.size);
    }
    return known.along == along ? "" : "it reads rows along another axis than another product does";
  }

  const Graph& graph_;
  const Roles& roles_;
  ObservedValues targets_;
  absl::flat_hash_map<ValueId, std::size_t> by_value_;
};

}  // namespace

bool IsMixtureOfExperts(const Graph& graph, NodeId node) {
  return graph.OpName(node) == kMixture;
}

absl::StatusOr<ObservedValues> FindTargets(const Graph& graph, const ValueTypes& types,
                                           const std::string& origin) {
  ONNXQUANT_RETURN_IF_ERROR(RefuseCodes(graph, origin));
  const Roles roles = FindRoles(graph);
  TargetFinder finder(graph, roles);
  for (const WeightUse& use : FindWeightUses(graph, types)) finder.Add(use);
  ObservedValues targets = std::move(finder).Finish();
  if (!targets.values.empty()) return targets;
  return ModelError(
      origin, ": has no product whose input could be observed: a MatMul, Gemm or Einsum with a ",
      "constant float matrix as its second operand, or a Conv of 1 × 1",
      targets.others.empty() ? std::string()
                             : absl::StrCat("; of ", targets.others.front().node, ": ",
                                            targets.others.front().reason));
}

}  // namespace onnxquant
