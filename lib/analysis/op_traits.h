// How the float slots of an operator behave when its arithmetic changes type. Standard operators
// answer from ONNX's schemas; ONNX Runtime's own have a row each in op_traits.cc.
#ifndef ONNXQUANT_LIB_ANALYSIS_OP_TRAITS_H_
#define ONNXQUANT_LIB_ANALYSIS_OP_TRAITS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

enum class SlotRule {
  kOther,    // holds no tensor of real numbers: nothing to decide
  kFollows,  // takes the node's compute type
  kFixed,    // keeps the type that it has in the model
  kFloat32,  // must be float32, whatever it is in the model
  kAny,      // accepts any float type as it comes (Shape, the input of Cast)
};

struct NodeTraits {
  std::vector<SlotRule> inputs;
  std::vector<SlotRule> outputs;
  // Moves or renames elements without arithmetic, or hands them to and from its bodies: exact in
  // whatever type its input has.
  bool moves_data = false;
  // A Cast or CastLike from one float type to another.
  bool float_cast = false;
  // The attribute that names the output's type and must follow it ("to", "dtype"), or null.
  const char* type_attribute = nullptr;
  // Why the node cannot work in the half type, though in the model it does, or works in float64: it
  // may become float32. Null for nodes that may be half, and for those that are float32 already.
  const char* float32_because = nullptr;
  // Holds scales of quantized numbers: it may become float32, but never a type of fewer digits.
  bool only_widens = false;
  // Why every float slot is fixed ("unknown operator", …); null where at least one may change.
  const char* fixed_because = nullptr;

  bool CanChange() const { return fixed_because == nullptr; }

  // Reasons are literals: the same one has the same address.
  bool operator==(const NodeTraits&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const NodeTraits& traits) {
    return H::combine(std::move(hash), traits.inputs, traits.outputs, traits.moves_data,
                      traits.float_cast, traits.type_attribute, traits.float32_because,
                      traits.only_widens, traits.fixed_because);
  }
};

// The traits of a node whose compute type may become float32 or `half` (kFloat16 or kBFloat16).
NodeTraits TraitsOf(const Graph& graph, NodeId node, const ValueTypes& types,
                    ElementType half = ElementType::kFloat16);

// Whether the node is an If, Loop or Scan: what its bodies take and give has the types of what it
// takes and gives itself.
bool IsControlFlow(const onnx::NodeProto& node);

// Whether nodes in the scope may change: it is the main graph, or a body of control flow all the
// way up. What other operators do with their bodies is not known.
bool IsOpenScope(const Graph& graph, ScopeId scope);

// An operator of ONNX's domain whose output type an attribute names; `fallback` is the type when
// the attribute is absent (kUndefined: the type of the first input).
struct TypeAttribute {
  absl::string_view op;
  const char* attribute = nullptr;
  ElementType fallback = ElementType::kUndefined;
};
// The row for the node's operator, or null.
const TypeAttribute* FindTypeAttribute(const onnx::NodeProto& node);

// Whether the node computes with quantized weights (MatMulNBits, GatherBlockQuantized …): its other
// constants, the scales, belong to the codes and have the type that it computes in.
bool HoldsCodes(const onnx::NodeProto& node);

// One operator that ONNX's schemas do not know. A letter per slot, the last one repeats:
// T a float type that all T slots share, H the same where bfloat16 is not admitted, F float32 only,
// - not a float slot.
struct ContribOp {
  const char* domain;
  const char* op;
  const char* inputs;
  const char* outputs;
};
// The row for the operator, or null.
const ContribOp* FindContribOp(const std::string& domain, const std::string& op);

// The letter for slot `slot` of a row's `inputs` or `outputs`.
char SlotLetter(const char* letters, int slot);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_OP_TRAITS_H_
