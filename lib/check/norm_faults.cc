// mixed_norm: norms whose inputs are of two float types.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

// All their float inputs share one type in the shaders of ONNX Runtime's WebGPU provider. (The
// GroupNorm of com.microsoft asks for float32 parameters beside a float16 input.)
constexpr const char* kNorms[] = {
    "LayerNormalization",     "SimplifiedLayerNormalization",     "RMSNormalization",
    "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "InstanceNormalization",
    "GroupNormalization"};

bool IsNorm(const onnx::NodeProto& node) {
  const bool known = IsOnnxDomain(node.domain()) || node.domain() == "com.microsoft";
  return known && std::any_of(std::begin(kNorms), std::end(kNorms),
                              [&node](const char* op) { return node.op_type() == op; });
}

// The first float input whose type is not that of input 0; kNone if all agree.
ValueId OddInput(const CheckContext& context, NodeId id) {
  const ValueIds& inputs = context.graph().node(id).inputs;
  const ElementType first = inputs.empty() ? ElementType::kUndefined : context.TypeOf(inputs[0]);
  if (!IsFloat(first)) return kNone;
  for (const ValueId input : inputs) {
    const ElementType type = context.TypeOf(input);
    if (IsFloat(type) && type != first) return input;
  }
  return kNone;
}

}  // namespace

absl::Status FindMixedNorms(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings) {
  const auto places = context.target.row->places;
  const bool on_webgpu = std::any_of(places.begin(), places.end(), [](const Place& place) {
    return place.kernels == kWebGpuKernels;
  });
  if (!on_webgpu) return absl::OkStatus();
  std::vector<NodeId> mixed;
  for (const NodeId id : context.graph().order()) {
    if (IsNorm(*context.graph().node(id).proto) && OddInput(context, id) != kNone) {
      mixed.push_back(id);
    }
  }
  if (mixed.empty()) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, mixed);
  const NodeId id = mixed.front();
  const ValueId first = context.graph().node(id).inputs[0];
  const ValueId odd = OddInput(context, id);
  finding.evidence = absl::StrCat(
      context.graph().Describe(id), " reads '", context.graph().value(first).name, "' in ",
      NameOf(context.TypeOf(first)), " and '", context.graph().value(odd).name, "' in ",
      NameOf(context.TypeOf(odd)),
      "; WebGPU refuses such a shader ('Invalid ShaderModule'), the CPU provider accepts it");
  finding.remedy = "give the norm one type: a Cast to float32 before it, and one back after it";
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
