// At which outputs gradients are summed.
#ifndef ONNXQUANT_LIB_CALIBRATE_GRADIENT_PLAN_H_
#define ONNXQUANT_LIB_CALIBRATE_GRADIENT_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/targets.h"

namespace onnxquant {

struct GradientPlan {
  struct Place {
    GradientInfo info;  // counts are 0 yet
    std::string value;  // that the product reads; "" of a lookup
    int layer = -1;     // -1 outside layers
  };
  std::vector<Place> places;
};

// Of products whose inputs are observed, and of lookups in constant tables. Errors (kModel): those
// of BuildGradient; no such output on which the logits hang.
absl::StatusOr<GradientPlan> PlanGradients(const Graph& graph, const ValueTypes& types,
                                           const ObservedValues& targets,
                                           const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_GRADIENT_PLAN_H_
