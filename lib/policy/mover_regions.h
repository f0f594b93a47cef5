// Nodes whose type is still open and that share values: what they stand between.
#ifndef ONNXQUANT_LIB_POLICY_MOVER_REGIONS_H_
#define ONNXQUANT_LIB_POLICY_MOVER_REGIONS_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/policy/plan_casts.h"
#include "lib/policy/plan_context.h"
#include "lib/policy/plan_io.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {

// Who makes or reads a value: a node whose type is still open, or a type that is decided.
struct TypeEnd {
  NodeId open = kNone;
  ElementType type = ElementType::kUndefined;  // when `open` is kNone
};

// The readers of a value, and of what nodes that are seen through make of it.
struct ValueReaders {
  std::vector<TypeEnd> ends;
  bool io = false;  // it is an input or output of the model
};

// One float value of the input as the placing of casts sees it.
struct MoverEdge {
  TypeEnd source;
  absl::Span<const TypeEnd> readers;
  bool io = false;  // as of ValueReaders
};

// One problem to solve.
struct Region {
  absl::Span<const NodeId> nodes;
  absl::Span<const MoverEdge> edges;
};

// Regions, and what they look into: one array for all of them, since a model of a million nodes may
// be one region or as many as it has nodes.
class Regions {
 public:
  // A copy would not bring the arrays along.
  Regions(Regions&&) = default;
  Regions& operator=(Regions&&) = default;

  auto begin() const { return regions_.begin(); }
  auto end() const { return regions_.end(); }
  std::size_t size() const { return regions_.size(); }
  const Region& operator[](std::size_t i) const { return regions_[i]; }

 private:
  friend class RegionFinder;
  Regions() = default;

  std::vector<Region> regions_;
  std::vector<NodeId> nodes_;
  std::vector<MoverEdge> edges_;
  std::vector<TypeEnd> ends_;
};

// What is decided when the types of neighbours are looked at.
struct Neighbourhood {
  const PlanContext& context;
  const SeenThrough& seen_through;
  const IoTypes& io;
};

// `open`: by NodeId, whether the type is; that of other nodes is the one in `nodes`.
ValueReaders ReadersOf(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                       const IdVector<bool>& open, ValueId value);

// All open nodes. `stored`: by ValueId, constants behind Transposes and Casts, which are stored in
// each type that is wanted.
Regions OpenRegions(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                    const IdVector<bool>& open, const IdVector<bool>& stored);

// The types that are decided around a region.
std::set<ElementType> TypesAround(const Region& region);

// Gives a node the type of those around it. `what`: "moving data between", which the reason begins
// with.
void FollowNeighbours(ElementType type, const std::string& what, SharedReasons& reasons,
                      NodePlan& node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_MOVER_REGIONS_H_
