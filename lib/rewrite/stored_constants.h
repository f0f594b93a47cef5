// Which constants are stored in the forms that the plan says, and which form each slot reads.
#ifndef ONNXQUANT_LIB_REWRITE_STORED_CONSTANTS_H_
#define ONNXQUANT_LIB_REWRITE_STORED_CONSTANTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/base/id_vector.h"
#include "lib/rewrite/rewrite_input.h"

namespace onnxquant {

// The stored form that a slot reads, itself or (not `directly`) through a Transpose.
struct Reading {
  const WeightCopy* copy = nullptr;  // of the plan; null where the slot reads none of floats
  bool directly = false;
  const Format* form = nullptr;  // of codes: what reads them, and
  const Stored* stored = nullptr;
  const std::vector<std::string>* names = nullptr;  // of their tensors
};

struct StoredConstants {
  absl::flat_hash_set<NodeId> replaced;    // made floats of codes that are read by others now
  absl::flat_hash_set<ValueId> shortened;  // what is made of rows of a constant, not of all
  IdVector<const WeightPlan*> plans;       // by ValueId; null for what is no stored constant
  absl::flat_hash_map<std::pair<NodeId, int>, Reading> readings;  // by node and input

  bool Contains(ValueId id) const { return id != kNone && plans[id] != nullptr; }
  Reading ReadBy(const Use& slot) const;
};

StoredConstants FindStoredConstants(const RewriteInput& input);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_STORED_CONSTANTS_H_
