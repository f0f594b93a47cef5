// The grids on which the weights of a model lie.
#ifndef ONNXQUANT_LIB_POLICY_WEIGHT_LATTICES_H_
#define ONNXQUANT_LIB_POLICY_WEIGHT_LATTICES_H_

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/graph/graph.h"
#include "lib/lattice/lattice.h"
#include "lib/model/model.h"

namespace onnxquant {

struct Analysis;
struct Policy;

// By constant; those that lie on none are left out.
using WeightLattices = absl::flat_hash_map<ValueId, Lattice>;

// Whether an output or a rule asks for them.
bool AsksForLattices(const Policy& policy);

// Of the constants that operators read as weights: see FindLattice.
absl::StatusOr<WeightLattices> FindWeightLattices(const Analysis& analysis, const Model& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_WEIGHT_LATTICES_H_
