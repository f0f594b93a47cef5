// The plan: one decision per node, weight, and graph input and output, each with its reasons.
// Plain data: rewriting needs nothing but the plan and the model.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_H_
#define ONNXQUANT_LIB_POLICY_PLAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/analysis/coded_weights.h"
#include "lib/analysis/hazards.h"
#include "lib/analysis/mask_sums.h"
#include "lib/analysis/op_traits.h"
#include "lib/analysis/residual_stream.h"
#include "lib/analysis/roles.h"
#include "lib/analysis/rope_caches.h"
#include "lib/analysis/traits_table.h"
#include "lib/analysis/types.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/id_vector.h"
#include "lib/graph/graph.h"
#include "lib/methods/method.h"
#include "lib/policy/evidence.h"
#include "lib/policy/policy.h"
#include "lib/policy/repack_plan.h"
#include "lib/policy/rope_plan.h"
#include "lib/policy/settings.h"

namespace onnxquant {

// All that planning and rewriting know of a model; made once, whatever the number of outputs.
struct Analysis {
  Graph graph;
  ValueTypes types;    // by ValueId
  TraitsTable traits;  // where float16 is the half type
  TraitsTable bfloat16_traits;
  Roles roles;
  std::vector<WeightUse> weight_uses;
  std::vector<Hazard> hazards;  // by node
  ResidualStream residual;
  RopeCaches rope;
  std::vector<CodedWeight> coded_weights;
  MaskLimits mask_limits;

  const NodeTraits& Traits(NodeId id, ElementType half) const {
    return (half == ElementType::kBFloat16 ? bfloat16_traits : traits).Of(id);
  }
};
absl::StatusOr<Analysis> Analyze(const onnx::ModelProto& model, const std::string& origin);

// There is one for each node, so that what few nodes have is kept elsewhere (StreamEdits).
struct NodePlan {
  Reasons why;
  // The type of the node's arithmetic: what its kFollows slots take and give.
  ElementType compute = ElementType::kFloat;
  std::int8_t accuracy_level = 0;
  Overflow overflow = Overflow::kError;  // for constants in the node's attributes
  bool changes : 1 = false;              // some slot of the node follows the compute type
  // Left out: what read its output reads its first input. A Cast of the source model between what
  // has come to one type, or a clamp that the residual stream does not need any more.
  bool passes : 1 = false;
  // Kept as it is, with slots of several types, as Pow may have: `compute` is not for them.
  bool mixed : 1 = false;
};

// What is done to nodes so that the residual stream fits its type.
struct StreamEdits {
  absl::flat_hash_map<NodeId, double> clips;           // the first output is clamped to ±this
  absl::flat_hash_map<NodeId, int> epsilon_exponents;  // the attribute is multiplied by 2^this
  // By node and input: it is read through a Mul by 2^this.
  absl::flat_hash_map<std::pair<NodeId, int>, int> input_exponents;
};

// One stored form of a constant.
struct WeightCopy {
  WeightFormat format;  // floats: the type it is stored in
  Stored stored;        // codes: the form
  // Stored as an initializer of the main graph; else where the constant stands: in a Constant node,
  // or among the initializers of a body.
  bool in_main = false;
  int exponent = 0;       // the values are multiplied by 2^this
  std::int64_t rows = 0;  // the first rows alone; 0: all
  // Not stored: nodes make it, of which OutputPlan::rope tells. `bytes` are of what they read.
  bool made = false;
  std::uint64_t spared = 0;  // what the whole constant would take beyond `bytes`
  Overflow overflow = Overflow::kError;
  double limit = 0;  // floats: what they are clamped to, if not the type's range
  // Names of the initializers: of floats one; of codes as many as the form has tensors.
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  std::string left;               // floats where codes were asked for: why
  std::vector<std::size_t> uses;  // indices into Analysis::weight_uses
  Reasons why;                    // of the first of them
  // Codes: the form whose nodes read them, of each use. Several forms may have the same codes.
  std::vector<const Format*> readers;
  methods::Choice choice;  // how codes are chosen
  bool tie = true;         // codes: one set of them serves readers of several forms
};

struct WeightPlan {
  ValueId weight = kNone;
  std::vector<WeightCopy> copies;
};

struct IoPlan {
  ValueId value = kNone;
  ElementType type = ElementType::kFloat;
  Reasons why;
};

struct OutputPlan {
  std::string dtype;
  std::string policy;
  ElementType compute = ElementType::kFloat;  // of nodes of which no rule speaks, or kAsInSource
  ElementType half = ElementType::kFloat16;   // the 16-bit type of this output
  IdVector<NodePlan> nodes;                   // by NodeId
  std::vector<WeightPlan> weights;            // the constants of Analysis::weight_uses, in order
  std::vector<RepackPlan> repacks;  // of Analysis::coded_weights, those that codes are for
  std::vector<IoPlan> io;           // float graph inputs, then outputs
  IdVector<ElementType> types;      // by ValueId: the type in which each value leaves its producer
  IdVector<ValueId> read_in_place;  // by ValueId: itself, or what stands for it if it is left out
  absl::flat_hash_map<NodeId, double> fill_limits;  // of what a ConstantOfShape fills with
  StreamEdits stream;
  std::string residual;  // what is done to the residual stream, in a sentence; "" for nothing
  RopePlan rope;
  std::string rope_cache;  // what is done with tables of rotary embeddings, likewise
};

// The type that a slot asks for; kUndefined when it takes what comes.
ElementType NeededType(const Analysis& analysis, const OutputPlan& plan, const Use& slot);

// One plan per output that the policy has and `dtypes` names (empty: all). Errors are kPolicy: an
// unknown dtype; a rule that is not optional and matches nothing in any output, or nothing that it
// could change. kModel: the
// residual stream is to be rescaled and cannot be. `evidence`: for rules that need more than the
// model's structure.
absl::StatusOr<std::vector<OutputPlan>> MakePlans(const Analysis& analysis, const Policy& policy,
                                                  const std::vector<std::string>& dtypes,
                                                  const std::string& origin,
                                                  const Evidence& evidence = {});

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_H_
