// What `plan` prints, and a conversion with --dry-run.
#ifndef ONNXQUANT_TOOLS_PLAN_H_
#define ONNXQUANT_TOOLS_PLAN_H_

#include <string>

#include "absl/status/status.h"
#include "tools/command.h"
#include "tools/options.h"

namespace onnxquant::cli {

struct PlanView {
  std::string why = {};       // explain what has this name, or fits this glob; "": show all
  bool all = false;           // a line for each tensor, where one would do for all layers
  bool json = false;          // as JSON
  std::string manifest = {};  // save the plan there, for 'apply'; "": don't
};

absl::Status ShowPlan(const ConversionOptions& conversion, const PlanView& view,
                      const Surroundings& surroundings);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_PLAN_H_
