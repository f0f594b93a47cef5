#include "lib/inspect/inspect.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/check/check.h"
#include "lib/inspect/diff_nodes.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "lib/policy/weight_lattices.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr int kHazardExamples = 3;

std::vector<InspectedCount> ByCount(const std::map<std::string, int>& counts) {
  std::vector<InspectedCount> rows;
  for (const auto& [name, count] : counts) rows.push_back({name, count});
  std::stable_sort(rows.begin(), rows.end(), [](const InspectedCount& a, const InspectedCount& b) {
    return a.count > b.count;
  });
  return rows;
}

class Inspector {
 public:
  Inspector(const Model& model, const Analysis& analysis) : model_(model), analysis_(analysis) {}

  absl::StatusOr<Inspection> Run() {
    DescribeModel();
    DescribeInterface();
    CountOps();
    DescribeRoles();
    DescribeHazards();
    ONNXQUANT_RETURN_IF_ERROR(DescribeWeights());
    ONNXQUANT_RETURN_IF_ERROR(DescribeFindings());
    return std::move(result_);
  }

 private:
  void DescribeModel() {
    const onnx::ModelProto& proto = model_.proto();
    result_.path = model_.path();
    result_.file_bytes = model_.file_bytes();
    result_.ir_version = static_cast<int>(proto.ir_version());
    result_.producer =
        absl::StrCat(proto.producer_name(), proto.producer_version().empty() ? "" : " ",
                     proto.producer_version());
    for (const auto& import : proto.opset_import()) {
      const std::string domain = IsOnnxDomain(import.domain()) ? "ai.onnx" : import.domain();
      result_.opsets.push_back(absl::StrCat(domain, " ", import.version()));
    }
    for (const auto& file : model_.external_files()) {
      result_.files.push_back({file.location, file.size, file.tensors});
    }
    result_.nodes = static_cast<int>(analysis_.graph.nodes().size());
    result_.layers = analysis_.roles.layers;
  }

  InspectedValue ValueOf(const onnx::ValueInfoProto& info) const {
    const ValueId id = analysis_.graph.Find(kMainScope, info.name());
    const ElementType type = analysis_.types[id];
    return {info.name(), type == ElementType::kUndefined ? "" : NameOf(type), ShapeText(info),
            NameOf(analysis_.roles.OfValue(id).role)};
  }

  void DescribeInterface() {
    const onnx::GraphProto& graph = model_.proto().graph();
    for (const auto& input : graph.input()) result_.inputs.push_back(ValueOf(input));
    for (const auto& output : graph.output()) result_.outputs.push_back(ValueOf(output));
    std::map<std::string, int> types;
    for (const ElementType type : analysis_.types) {
      ++types[type == ElementType::kUndefined ? "unknown" : NameOf(type)];
    }
    result_.value_types = ByCount(types);
  }

  void CountOps() {
    std::map<std::string, int> ops;
    std::set<std::string> unknown;
    for (NodeId id = 0; id < static_cast<NodeId>(analysis_.graph.nodes().size()); ++id) {
      const onnx::NodeProto& node = *analysis_.graph.node(id).proto;
      const std::string name = analysis_.graph.OpName(id);
      ++ops[name];
      if (FindContribOp(node.domain(), node.op_type()) == nullptr &&
          FindSchema(analysis_.graph.model(), node) == nullptr) {
        unknown.insert(name);
      }
    }
    result_.ops = ByCount(ops);
    result_.unknown_ops.assign(unknown.begin(), unknown.end());
  }

  void DescribeRoles() {
    std::map<Role, InspectedRole> roles;
    for (const NodeId id : analysis_.graph.order()) {
      const NodeRole& role = analysis_.roles.nodes[id];
      if (role.role == Role::kNone) continue;
      InspectedRole& row = roles[role.role];
      if (row.nodes++ == 0) {
        row.role = NameOf(role.role);
        row.example = analysis_.graph.node(id).proto->name();
        row.evidence = std::string(role.evidence);
      }
    }
    for (auto& [unused, row] : roles) result_.roles.push_back(std::move(row));
    for (const AmbiguousRole& one : analysis_.roles.ambiguous) {
      result_.ambiguous_roles.push_back({analysis_.graph.Describe(one.node), one.why});
    }
  }

  void DescribeHazards() {
    for (const HazardName& name : HazardNames()) {
      InspectedHazard row;
      row.hazard = name.name;
      for (const Hazard& hazard : analysis_.hazards) {
        if (hazard.kind != &name) continue;
        if (row.nodes++ >= kHazardExamples) continue;
        row.examples.push_back({analysis_.graph.Describe(hazard.node), hazard.why});
      }
      if (row.nodes > 0) result_.hazards.push_back(std::move(row));
    }
  }

  absl::Status DescribeWeights() {
    std::map<ValueId, NodeId> readers;
    for (const WeightUse& use : analysis_.weight_uses) {
      readers.emplace(use.weight, use.reader.node);
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const WeightLattices lattices,
                               FindWeightLattices(analysis_, model_));
    for (ValueId id = 0; id < static_cast<ValueId>(analysis_.graph.values().size()); ++id) {
      const Value& value = analysis_.graph.value(id);
      if (value.initializer == nullptr || value.scope != kMainScope) continue;
      InspectedWeight row;
      row.name = value.name;
      const ElementType type = analysis_.types[id];
      row.type = NameOf(type);
      row.shape = *ConstantShape(analysis_.graph, id);
      if (type != ElementType::kString) {
        ONNXQUANT_ASSIGN_OR_RETURN(row.bytes, PackedBytes(type, row.shape));
      }
      if (const auto reader = readers.find(id); reader != readers.end()) {
        const NodeRole& role = analysis_.roles.nodes[reader->second];
        row.role = NameOf(role.role);
        row.layer = role.layer;
      }
      if (const auto found = lattices.find(id); found != lattices.end()) {
        row.lattice = found->second;
      }
      result_.weights.push_back(std::move(row));
    }
    std::stable_sort(
        result_.weights.begin(), result_.weights.end(),
        [](const InspectedWeight& a, const InspectedWeight& b) { return a.bytes > b.bytes; });
    return absl::OkStatus();
  }

  absl::Status DescribeFindings() {
    ONNXQUANT_ASSIGN_OR_RETURN(const CheckResult check,
                               CheckAnalyzed(model_, &analysis_, {}, false));
    for (const Finding& finding : check.findings) {
      result_.findings.push_back(
          {finding.kind, NameOf(finding.severity), finding.place, finding.count});
    }
    return absl::OkStatus();
  }

  const Model& model_;
  const Analysis& analysis_;
  Inspection result_;
};

}  // namespace

absl::StatusOr<Inspection> InspectModel(const std::string& path, const std::string& checkpoint) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::Load(path));
  return InspectModel(model, checkpoint);
}

absl::StatusOr<Inspection> InspectModel(const Model& model, const std::string& checkpoint) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Analysis analysis, Analyze(model.proto(), model.path()));
  absl::StatusOr<Inspection> inspection = Inspector(model, analysis).Run();
  if (inspection.ok() && !checkpoint.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(inspection->checkpoint,
                               CompareWithCheckpoint(analysis, model, checkpoint));
  }
  return IfUnchanged(model, std::move(inspection));
}

}  // namespace onnxquant
