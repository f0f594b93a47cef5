// Storing a weight on the grid on which its values lie: `method: lattice`.
#ifndef ONNXQUANT_LIB_POLICY_TAKE_LATTICE_H_
#define ONNXQUANT_LIB_POLICY_TAKE_LATTICE_H_

#include <optional>

#include "lib/policy/plan_context.h"

namespace onnxquant {

// Whether the constant's values lie on a grid that codes in blocks hold without loss.
bool HoldsLattice(const PlanContext& context, ValueId weight);

struct TakenLattice {
  bool taken = false;
  methods::Choice choice;     // if taken
  std::optional<Reason> why;  // of what is done, or why it is not; nothing where nobody asks
};

// Where `resolved` asks for it, and the weight lies on a grid of no more bits than `stored` has,
// `stored` becomes the form of that grid: the fewest bits, its own blocks where those are smaller,
// zero points where they are needed. Else `stored` stays. `exponent`: values are multiplied by
// 2^exponent before they are stored.
TakenLattice TakeLattice(const PlanContext& context, const WeightUse& use,
                         const WeightReading& reading, const Resolved& resolved, int exponent,
                         Stored& stored);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_TAKE_LATTICE_H_
