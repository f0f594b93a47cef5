#include "lib/policy/plan_levels.h"

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/analysis/graph_walk.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {
namespace {

constexpr std::int8_t kIntegerActivations = 4;

// Of nodes that read one set of codes.
void Lower(const std::vector<NodeId>& readers, SharedReasons& reasons, OutputPlan& plan) {
  std::vector<NodePlan*> leveled;
  for (const NodeId id : readers) {
    NodePlan& node = plan.nodes[id];
    const bool half = node.compute == ElementType::kFloat16;
    if (half && node.accuracy_level == kIntegerActivations) leveled.push_back(&node);
  }
  if (leveled.size() < 2) return;
  for (NodePlan* node : leveled) {
    node->accuracy_level = 0;
    node->why.push_back(
        reasons.Get("codes that several float16 products read,", "accuracy_level: 0"));
  }
}

}  // namespace

void LowerSharedLevels(const PlanContext& context, OutputPlan& plan) {
  SharedReasons reasons;
  for (const WeightPlan& weight : plan.weights) {
    for (const WeightCopy& copy : weight.copies) {
      std::vector<NodeId> readers;
      for (std::size_t i = 0; i < copy.readers.size(); ++i) {
        if (!copy.readers[i]->accuracy_level) continue;
        readers.push_back(context.analysis.weight_uses[copy.uses[i]].reader.node);
      }
      Lower(readers, reasons, plan);
    }
  }
  for (const RepackPlan& repack : plan.repacks) {
    const CodedWeight& weight = context.analysis.coded_weights[repack.weight];
    std::vector<NodeId> readers;
    for (std::size_t i = 0; i < repack.readers.size(); ++i) {
      const bool leveled = repack.readers[i] != nullptr && repack.readers[i]->accuracy_level;
      if (leveled) readers.push_back(weight.readers[i].slot.node);
    }
    Lower(readers, reasons, plan);
  }
  // Codes that the source has.
  absl::flat_hash_map<ValueId, std::vector<NodeId>> readers;
  for (NodeId id = 0; id < context.node_count(); ++id) {
    const onnx::NodeProto& node = *context.graph().node(id).proto;
    if (node.op_type() != "MatMulNBits" || node.domain() != "com.microsoft") continue;
    const ValueId codes = InputOf(context.graph(), id, 1);
    if (codes != kNone) readers[codes].push_back(id);
  }
  for (const auto& [codes, nodes] : readers) Lower(nodes, reasons, plan);
}

}  // namespace onnxquant
