// transpose_fusion: what ONNX Runtime's optimizer gets wrong in float16 alone.
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Whether the Transpose turns the first axis to the end, in front of the last one or behind it:
// [1, 0, 2], [1, 2, 0], [1, 2, 0, 3], [1, 2, 3, 0]. FusedMatMul calls that transBatchA/B.
bool MovesBatchAxis(const HazardContext& context, NodeId transpose) {
  const onnx::AttributeProto* perm = FindAttribute(*context.graph().node(transpose).proto, "perm");
  if (perm == nullptr || perm->ints_size() < 3) return false;
  const int rank = perm->ints_size();
  for (int i = 0; i < rank - 2; ++i) {
    if (perm->ints(i) != i + 1) return false;
  }
  return perm->ints(rank - 2) == 0 || perm->ints(rank - 1) == 0;
}

bool IsConstantMatrix(const HazardContext& context, ValueId value) {
  if (!context.IsConstant(value)) return false;
  const auto shape = context.ShapeOf(context.Origin(value));
  return shape && shape->size() == 2;
}

}  // namespace

// ONNX Runtime 1.30 fuses such a pair for the CPU and dies while it loads the model; float32 pairs,
// other permutations, and products with what is computed or has more axes are fused well.
void FindTransposeFusions(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) != "MatMul") continue;
    for (const int input : {0, 1}) {
      // A Cast between the two keeps them from being fused; conversions place Casts anew.
      NodeId transpose = context.Producer(context.Input(node, input));
      while (context.Op(transpose) == "Cast") {
        transpose = context.Producer(context.Input(transpose, 0));
      }
      if (context.Op(transpose) != "Transpose" || !MovesBatchAxis(context, transpose)) continue;
      if (!IsConstantMatrix(context, context.Input(node, 1 - input))) continue;
      context.Report(transpose,
                     absl::StrCat(context.Quote(transpose), " moves the batch axis before MatMul ",
                                  context.Quote(node),
                                  "; ONNX Runtime's optimizer crashes when both are float16"));
    }
  }
}

}  // namespace onnxquant
