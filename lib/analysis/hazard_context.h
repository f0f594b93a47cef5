// What the detectors of float16 hazards share: walking, constants, bounds, and the list of finds.
#ifndef ONNXQUANT_LIB_ANALYSIS_HAZARD_CONTEXT_H_
#define ONNXQUANT_LIB_ANALYSIS_HAZARD_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lib/analysis/hazards.h"
#include "lib/analysis/onnx_inference.h"
#include "lib/base/id_vector.h"

namespace onnxquant {

inline constexpr double kHalfLargest = 65504.0;
inline constexpr double kHalfSmallestNormal = 6.103515625e-05;  // 2^-14
inline constexpr double kHalfLargestInteger = 2048.0;           // beyond it integers get lost
inline constexpr int kMostReadings = 1000;                      // that one walk looks at

class HazardContext {
 public:
  HazardContext(const Graph& graph, const ValueTypes& types)
      : graph_(graph), types_(types), open_dims_(OpenDims(graph)) {}

  const Graph& graph() const { return graph_; }
  NodeId NodeCount() const { return static_cast<NodeId>(graph_.nodes().size()); }

  // The operator's name; "" for kNone and outside ONNX's own domain.
  const std::string& Op(NodeId node) const;
  bool IsOneOf(NodeId node, absl::Span<const absl::string_view> ops) const;
  // Moves or renames the elements of its first input.
  bool IsMover(NodeId node) const;
  // Pow(x, 2) or Mul(x, x).
  bool IsSquare(NodeId node) const;
  // A product of matrices, or an Einsum of two, of a value with itself, possibly turned.
  bool IsProductWithItself(NodeId node) const;

  // kNone where the slot is absent or empty.
  ValueId Input(NodeId node, int input) const;
  ValueId Output(NodeId node) const;  // the first
  NodeId Producer(ValueId value) const;
  // The value that `value` is a moved form of: before Reshape, Expand, Cast ….
  ValueId Origin(ValueId value) const;

  ElementType TypeOf(ValueId value) const;
  // Of any float type: a Cast between two of them moves, one to or from anything else does not.
  bool IsFloat(ValueId value) const { return onnxquant::IsFloat(TypeOf(value)); }

  // Whether the value is a constant of any size, also seen through movers.
  bool IsConstant(ValueId value) const;

  // The elements of a small constant, also seen through movers; nothing for any other value.
  std::optional<std::vector<double>> Constant(ValueId value) const;
  // Its only element.
  std::optional<double> Scalar(ValueId value) const;
  // The number that all elements of the value are, also where a few nodes compute it from such; the
  // smallest of several positive ones. Those that make it are added.
  std::optional<double> Fixed(ValueId value, std::vector<NodeId>& makers, int depth = 4) const;
  // The constant scalar that a node of two inputs reads beside input `input`.
  std::optional<double> OtherScalar(const Use& use) const;
  // Lower limit of Clip, from its input or (before opset 11) its attribute.
  std::optional<double> ClipLimit(NodeId clip, const char* attribute, int input) const;

  // The number that the elements of a value are never below, where that is cheap to say.
  std::optional<double> LowerBound(ValueId value, int depth = 6) const;

  // The number that no element's magnitude exceeds, likewise.
  std::optional<double> Magnitude(ValueId value, int depth = 5) const;

  // Whether the node is a product along so short an axis that it is one of coordinates: a turn, a
  // projection. What a layer of a network makes is an activation.
  bool IsShortProduct(NodeId node) const;

  // The dimensions that the model declares, or that follow from those by ONNX's inference: numbers,
  // kOpenDim or kUnknownDim. Nothing where not even their count is known.
  std::optional<std::vector<std::int64_t>> ShapeOf(ValueId value) const;

  // Calls `visit` with each reading of `value` and the nodes on the way to it; where it returns
  // true, goes on with the readings of that node's first output. Ways of fewer than `depth` steps;
  // of a graph in which they are beyond counting, the first thousand readings.
  using Path = std::vector<NodeId>;
  void Follow(ValueId value, int depth,
              absl::FunctionRef<bool(const Use& use, const Path& path)> visit) const;

  // "'value'", the node's first output.
  std::string Quote(NodeId node) const;
  std::string QuoteValue(ValueId value) const;

  // Notes a hazard of the node; the first reason stays. Nodes without any float are left out.
  void Report(NodeId node, const std::string& why);
  void Report(absl::Span<const NodeId> nodes, const std::string& why);

  // The makers of a float value, those of what they read and so on, as far as `makes` says; not
  // those that have been seen, which are added to.
  void ReportMakers(ValueId value, const std::string& why, IdVector<bool>& seen,
                    absl::FunctionRef<bool(NodeId)> makes);

  // What has been reported since the last call.
  absl::flat_hash_map<NodeId, std::string> TakeReports() { return std::move(reports_); }

 private:
  void FollowFrom(ValueId value, int depth, int& readings, Path& path,
                  absl::FunctionRef<bool(const Use& use, const Path& path)> visit) const;

  const Graph& graph_;
  const ValueTypes& types_;
  const DimNames open_dims_;
  absl::flat_hash_map<NodeId, std::string> reports_;
  mutable std::optional<InferredShapes> inferred_;  // when first asked for
};

// "1e-12", "65504".
std::string NumberText(double number);

// The part of integer_arithmetic that concerns quantized products.
void FindQuantizedSums(HazardContext& context);

// The part of long_reduction that concerns products of matrices, and what becomes of a sum that
// grows with its length: all that is made of it until something divides it.
void FindLongProducts(HazardContext& context);
void ReportUntilDivided(HazardContext& context, NodeId sum, const std::string& why);

// The detectors, one for each row of HazardNames().
void FindDecomposedNorms(HazardContext& context);
void FindCancellations(HazardContext& context);
void FindExpSums(HazardContext& context);
void FindSmallEps(HazardContext& context);
void FindNearZero(HazardContext& context);
void FindSpectra(HazardContext& context);
void FindLongReductions(HazardContext& context);
void FindAngles(HazardContext& context);
void FindCoordinates(HazardContext& context);
void FindIntegerArithmetic(HazardContext& context);
void FindAccumulatingLoops(HazardContext& context);
void FindSmallConstants(HazardContext& context);
void FindLargeConstants(HazardContext& context);
void FindMaskFills(HazardContext& context);
void FindTransposeFusions(HazardContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_HAZARD_CONTEXT_H_
