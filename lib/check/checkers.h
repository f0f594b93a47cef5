// The table of what is looked for, and what all that look share.
#ifndef ONNXQUANT_LIB_CHECK_CHECKERS_H_
#define ONNXQUANT_LIB_CHECK_CHECKERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/check/stream.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "lib/targets/target.h"
#include "onnxquant/check.h"

namespace onnxquant {

// What a checker knows of the model.
struct CheckContext {
  const Model& model;
  const Analysis* analysis = nullptr;  // null: too damaged
  const Stream& stream;
  Target target;            // where it is to run
  bool all_weights = true;  // look at them

  const Graph& graph() const { return analysis->graph; }
  ElementType TypeOf(ValueId value) const;  // kUndefined for kNone
  int LayerOf(NodeId node) const;
};

// One kind of fault. `find` appends what it finds, under the kind that it is given.
struct Checker {
  const char* kind = "";
  const char* meaning = "";
  bool on_webgpu = true;
  bool on_cpu = false;   // a fault on the CPU provider
  bool mended = false;   // all of them, by converting the file once more; else `find` says which
  bool of_graph = true;  // needs an analysis
  absl::Status (*find)(const CheckContext& context, const char* kind,
                       std::vector<Finding>& findings) = nullptr;
};
absl::Span<const Checker> Checkers();

// A finding of nodes, in their order; `nodes` is not empty. The place is the first.
Finding FindingOf(const CheckContext& context, const char* kind, const std::vector<NodeId>& nodes);

// The conversion that mends what is wrong with the model.
struct Remedy {
  std::string policy;
  std::string dtype;
  std::string command;
};
// `limits_constants`: constants beyond float16's range are among what is wrong, which not every
// policy clamps.
Remedy RemedyFor(const CheckContext& context, bool limits_constants);

// The node's name, or (without one) what it makes.
std::string PlaceName(const Graph& graph, NodeId node);

// The checkers, one for each row or family of rows.
absl::Status FindDamagedData(const CheckContext& context, const char* kind,
                             std::vector<Finding>& findings);
absl::Status FindBadWeights(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings);
absl::Status FindHalfResiduals(const CheckContext& context, const char* kind,
                               std::vector<Finding>& findings);
absl::Status FindLostRanges(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings);
absl::Status FindClippedResiduals(const CheckContext& context, const char* kind,
                                  std::vector<Finding>& findings);
absl::Status FindMixedNorms(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings);
absl::Status FindMaskFaults(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings);
absl::Status FindHazardFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings);
absl::Status FindTargetFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings);
absl::Status FindConfigFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECK_CHECKERS_H_
