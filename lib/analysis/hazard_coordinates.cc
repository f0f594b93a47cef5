// coordinates: positions at which pictures are sampled, and boxes that are compared.
#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Where positions are read.
struct Reader {
  absl::string_view op;
  int input = 0;
  const char* what = nullptr;
  bool itself = true;  // its other inputs have the same type
};
constexpr Reader kReaders[] = {
    {"GridSample", 1, "samples at"},
    {"RoiAlign", 1, "cuts out"},
    {"MaxRoiPool", 1, "cuts out"},
    {"CropAndResize", 1, "cuts out"},
    {"NonMaxSuppression", 0, "compares the boxes"},
    {"AffineGrid", 0, "makes positions of"},
    {"Resize", 2, "makes a size of", false},
    {"Resize", 1, "cuts out", false},
    {"Upsample", 1, "makes a size of", false},
};

// The first that finds computed positions at the node.
const Reader* ReaderAt(const HazardContext& context, NodeId node) {
  const auto* found =
      std::find_if(std::begin(kReaders), std::end(kReaders), [&](const Reader& reader) {
        if (!IsAnyOf(context.graph(), node, {reader.op})) return false;
        const ValueId value = context.Input(node, reader.input);
        return context.IsFloat(value) && !context.IsConstant(value);
      });
  return found == std::end(kReaders) ? nullptr : found;
}

// Arithmetic on each position; what a network makes with weights is rounded as its activations are.
bool Places(const HazardContext& context, NodeId node) {
  constexpr absl::string_view kArithmetic[] = {"Add",
                                               "Sub",
                                               "Mul",
                                               "Div",
                                               "Neg",
                                               "Sum",
                                               "Concat",
                                               "Exp",
                                               "Sigmoid",
                                               "Tanh",
                                               "Where",
                                               "Clip",
                                               "Min",
                                               "Max",
                                               "Mean",
                                               "Pow",
                                               "Sqrt",
                                               "GatherND",
                                               "GatherElements",
                                               "ScatterND",
                                               "Relu",
                                               "Pad",
                                               "Floor",
                                               "ReduceMin",
                                               "ReduceMax"};
  return context.IsMover(node) || context.IsOneOf(node, kArithmetic) ||
         context.Op(node) == "AffineGrid" || context.IsShortProduct(node);
}

}  // namespace

void FindCoordinates(HazardContext& context) {
  IdVector<bool> seen(context.graph().nodes().size(), false);
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    const Reader* reader = ReaderAt(context, node);
    if (reader == nullptr) continue;
    const ValueId positions = context.Input(node, reader->input);
    const std::string why = absl::StrCat(
        reader->op, " ", context.Quote(node), " ", reader->what, " ", context.QuoteValue(positions),
        "; float16 has 0.5 between the positions at 1000 and none beyond 65504, bfloat16 4");
    if (reader->itself) context.Report(node, why);
    context.ReportMakers(positions, why, seen,
                         [&context](NodeId maker) { return Places(context, maker); });
  }
}

}  // namespace onnxquant
