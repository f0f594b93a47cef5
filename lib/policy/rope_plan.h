// What is done with the tables of rotary embeddings in one output, as data.
#ifndef ONNXQUANT_LIB_POLICY_ROPE_PLAN_H_
#define ONNXQUANT_LIB_POLICY_ROPE_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Positions from 0 on, each times every frequency: nodes compute them, in float32.
struct RopeAngles {
  std::string name;  // of the initializer with the frequencies, [1, columns]
  std::vector<float> frequencies;
  std::int64_t positions = 0;
  ValueId table = kNone;  // the first that is made of them
};

// One table that the policy does not simply keep.
struct RopeTablePlan {
  std::int64_t positions = 0;  // the rows that are left
  int angles = kNone;          // made of these, an index into RopePlan::angles; kNone: stored
  bool sines = false;          // of their sines, else cosines
  float factor = 1;            // by which these are multiplied
  std::string left;            // why it stays as it is after all; "" when it does not
};

struct RopePlan {
  absl::flat_hash_map<ValueId, RopeTablePlan> tables;
  std::vector<RopeAngles> angles;
  double difference = 0;  // the largest of any table that is made to what was stored
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_ROPE_PLAN_H_
