#include "lib/policy/plan_coded_readers.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/model/float_payload.h"
#include "lib/policy/plan_repacks.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {
namespace {

// The largest magnitude among the scales that float16 would make infinite; 0 for none.
absl::StatusOr<float> BeyondHalf(const PlanContext& context, ValueId scales) {
  constexpr float kFirstInfinite = 65520;
  constexpr std::size_t kChunk = std::size_t{1} << 18U;
  const Model* model = context.evidence.model;
  const ElementType type = context.OriginalType(scales);
  if (model == nullptr || type == ElementType::kFloat16) return 0.0F;
  const onnx::TensorProto& tensor = *ConstantTensor(context.graph(), scales);
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model->Bytes(tensor));
  float largest = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
    for (const float scale : FloatsOfPayload(bytes.subspan(at, kChunk), type)) {
      if (std::isfinite(scale)) largest = std::max(largest, std::fabs(scale));
    }
  }
  model->Release(tensor, 0, bytes.size());
  return largest >= kFirstInfinite ? largest : 0.0F;
}

bool IsGather(const PlanContext& context, const CodedReading& reader) {
  return context.graph().OpName(reader.slot.node) == "Gather";
}

}  // namespace

absl::StatusOr<std::vector<NodeId>> DecideCodedReaders(const PlanContext& context,
                                                       SettingsResolver& resolver,
                                                       OutputPlan& plan) {
  std::vector<NodeId> decided;
  SharedReasons reasons;
  const bool half_output = context.output.defaults.compute == ElementType::kFloat16;
  for (const CodedWeight& weight : context.analysis.coded_weights) {
    if (!weight.stays.empty()) continue;
    bool halves = false;
    for (const CodedReading& reader : weight.readers) {
      const Resolved resolved = ResolveReading(context, weight, reader, resolver);
      if (!AsksForBlocks(resolved)) continue;
      NodePlan& node = plan.nodes[reader.slot.node];
      if (IsGather(context, reader)) {
        if (!resolved.weights_by_rule) continue;
        decided.push_back(reader.slot.node);
        if (half_output) {
          SetCompute(ElementType::kFloat16, "the table's scales, as in a table that becomes codes,",
                     reasons, node);
        }
      }
      halves = halves || (node.compute == ElementType::kFloat16 && !resolved.named &&
                          resolved.overflow == Overflow::kError);
    }
    if (!halves) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const float largest, BeyondHalf(context, weight.scales));
    if (largest == 0) continue;
    const std::string because =
        absl::StrCat("its weight's scales, which go to ", largest, " and float16 to 65504,");
    for (const CodedReading& reader : weight.readers) {
      SetCompute(ElementType::kFloat, because, reasons, plan.nodes[reader.slot.node]);
      decided.push_back(reader.slot.node);
    }
  }
  return decided;
}

}  // namespace onnxquant
