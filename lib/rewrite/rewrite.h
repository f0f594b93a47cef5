// Applies a plan to a model's structure. The weights' bytes are not touched here: the result says,
// for each stored tensor, from which constant and how it is to be filled (see materialize.h).
#ifndef ONNXQUANT_LIB_REWRITE_REWRITE_H_
#define ONNXQUANT_LIB_REWRITE_REWRITE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/formats/repack.h"
#include "lib/methods/method.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

inline constexpr int kNotStored = -1;

// How the bytes of one or more new initializers come from one constant of the input.
struct FillJob {
  const onnx::TensorProto* source = nullptr;  // of the input model, or of Rewritten::made
  ElementType type = ElementType::kFloat;     // what it is stored in, where not in codes
  Stored stored;                              // its form in codes; without one, none
  methods::Choice choice;                     // of the codes
  bool tie = true;                            // the codes serve readers of other forms too
  std::optional<Repack> repack;               // it keeps its numbers, which get other places
  int exponent = 0;                           // the values are multiplied by 2^this
  Overflow overflow = Overflow::kError;
  double limit = 0;  // what the values are clamped to, if not the type's range
  // Indices into the new main graph's initializers; of a part that nothing reads, kNotStored.
  std::vector<int> targets;
  std::uint64_t first_bytes = 0;  // of each target; what lies beyond is left out. 0: all
};

struct Rewritten {
  onnx::ModelProto
      model;  // the new main graph's initializers have dims and type, and no payload yet
  // Of a large main graph: its first nodes, as fields of the serialized GraphProto; `model` holds
  // the rest.
  std::string sealed_nodes;
  std::vector<std::uint64_t> bytes;  // by initializer: payload size; 0 for strings
  std::vector<bool> keep_inline;     // by initializer: its values decide shapes
  std::vector<FillJob> jobs;
  std::vector<std::unique_ptr<const onnx::TensorProto>> made;  // constants that the input lacks
  // By initializer: an earlier one that has the same bytes, and whose job fills both; -1 for none.
  // Empty until such are looked for (share_equal.h).
  std::vector<int> same_as;
  // Parts of stored forms that nothing reads, which are left out: their names, and their bytes.
  absl::flat_hash_map<std::string, std::uint64_t> unread;
  int casts = 0;           // Cast nodes that the plan's borders needed
  int float32_values = 0;  // values in float32 (and the few in float64), and
  int half_values = 0;     // values in float16 or bfloat16
  std::vector<std::string> warnings;
};

// Nodes that a graph holds as messages before they are sealed.
inline constexpr int kSealedAtOnce = 8192;

// Errors: kModel when a constant does not fit the target type and the policy says error.
absl::StatusOr<Rewritten> Rewrite(const Model& model, const Analysis& analysis,
                                  const OutputPlan& plan, int sealed_at_once = kSealedAtOnce);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REWRITE_H_
