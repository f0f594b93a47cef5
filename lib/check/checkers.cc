#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

// In the order in which findings of one severity are shown. The hazards' names and meanings are
// those of HazardNames(); mask_fill has a row of its own kind, since a fill that float16 holds as
// minus infinity does what it is for.
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
    {.kind = "mask_fill_beyond_range",
     .meaning = "a finite constant that a Cast to float16 makes infinite, or a constant NaN",
     .on_cpu = true,
     .find = FindMaskFaults},
    {.kind = "decomposed_norm",
     .meaning = "a norm spelt as square, mean, root and division, in float16",
     .find = FindHazardFaults},
    {.kind = "exp_sum",
     .meaning = "exponentials that are summed in float16",
     .find = FindHazardFaults},
    {.kind = "small_eps",
     .meaning =
         "an epsilon below 6.1e-05, or lost, before a division, root or logarithm in float16",
     .find = FindHazardFaults},
    {.kind = "near_zero",
     .meaning = "a logarithm, root or reciprocal in float16 of what may be or round to zero",
     .find = FindHazardFaults},
    {.kind = "long_reduction",
     .meaning = "a sum or mean in 16 bits over more than 2048 elements",
     .find = FindHazardFaults},
    {.kind = "integer_arithmetic",
     .meaning = "positions, sizes and counts in 16 bits: float16 is exact up to 2048",
     .find = FindHazardFaults},
    {.kind = "accumulating_loop",
     .meaning = "a loop that adds up in 16 bits what it carries",
     .find = FindHazardFaults},
    {.kind = "small_constant",
     .meaning = "a factor or divisor below 6.1e-05 in float16",
     .find = FindHazardFaults},
    {.kind = "large_constant",
     .meaning = "a factor, divisor or limit beyond 65504 in float16",
     .find = FindHazardFaults},
    {.kind = "transpose_fusion",
     .meaning = "a Transpose into a MatMul whose fusion in float16 crashes ONNX Runtime's CPU "
                "provider (target cpu)",
     .on_webgpu = false,
     .on_cpu = true,
     .find = FindHazardFaults},
    {.kind = "config_contradicts",
     .meaning = "a config.json that tells Transformers.js other things than the files do",
     .on_cpu = true,
     .of_graph = false,
     .find = FindConfigFaults},
};

}  // namespace

absl::Span<const Checker> Checkers() {
  return kCheckers;
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
