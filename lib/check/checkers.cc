#include "lib/check/checkers.h"

#include <iterator>

#include "lib/analysis/hazards.h"

namespace onnxquant {
namespace {

// In the order in which findings of one severity are shown; those of hazards come after them.
constexpr Checker kCheckers[] = {
    {.kind = "damaged_data",
     .meaning = "external data that are missing, too short, or of another size than their tensor",
     .on_cpu = true,
     .of_graph = false,
     .find = FindDamagedData},
    {.kind = "bad_weights",
     .meaning = "weights that hold NaN or infinity",
     .on_cpu = true,
     .find = FindBadWeights},
    {.kind = "residual_in_half",
     .meaning = "sums of the residual stream in float16 that may go beyond 65504",
     .mended = true,
     .find = FindHalfResiduals},
    {.kind = "range_lost_and_back",
     .meaning = "residual sums in float32 that pass through float16 on their way to the next",
     .mended = true,
     .find = FindLostRanges},
    {.kind = "clipped_residual",
     .meaning = "residual sums that a Clip keeps finite and distorts",
     .mended = true,
     .find = FindClippedResiduals},
    {.kind = "mixed_norm",
     .meaning = "a normalization whose inputs are of two float types: WebGPU cannot run it",
     .mended = true,
     .find = FindMixedNorms},
    {.kind = "cannot_run",
     .meaning = "operators that the target has no kernel for, or refuses",
     .on_cpu = true,
     .find = FindTargetFaults},
    {.kind = "mask_fill_beyond_range",
     .meaning = "a finite constant that a Cast to float16 makes infinite, or a constant NaN",
     .on_cpu = true,
     .find = FindMaskFaults},
    {.kind = "config_contradicts",
     .meaning = "a config.json that tells Transformers.js other things than the files do",
     .on_cpu = true,
     .of_graph = false,
     .find = FindConfigFaults},
};

}  // namespace

absl::Span<const Checker> Checkers() {
  static const auto& all = *new std::vector<Checker>([] {
    std::vector<Checker> rows(std::begin(kCheckers), std::end(kCheckers));
    // mask_fill_beyond_range is a row of its own kind, since a fill that float16 holds as minus
    // infinity does what it is for.
    for (const HazardName& hazard : HazardNames()) {
      if (hazard.in_float16 < InHalf::kDepends) continue;
      const bool on_cpu = hazard.target == HazardTarget::kCpu;
      rows.push_back({.kind = hazard.name,
                      .meaning = hazard.meaning,
                      .on_webgpu = !on_cpu,
                      .on_cpu = on_cpu,
                      .find = FindHazardFaults});
    }
    return rows;
  }());
  return all;
}

ElementType CheckContext::TypeOf(ValueId value) const {
  return value == kNone ? ElementType::kUndefined : analysis->types[value];
}

int CheckContext::LayerOf(NodeId node) const {
  return analysis->roles.nodes[node].layer;
}

std::string PlaceName(const Graph& graph, NodeId node) {
  const onnx::NodeProto& proto = *graph.node(node).proto;
  if (!proto.name().empty()) return proto.name();
  return proto.output_size() > 0 ? proto.output(0) : proto.op_type();
}

Finding FindingOf(const CheckContext& context, const char* kind, const std::vector<NodeId>& nodes) {
  Finding finding;
  finding.kind = kind;
  finding.place = PlaceName(context.graph(), nodes.front());
  finding.layer = context.LayerOf(nodes.front());
  finding.count = static_cast<int>(nodes.size());
  for (const NodeId node : nodes) finding.places.push_back(PlaceName(context.graph(), node));
  return finding;
}

}  // namespace onnxquant
