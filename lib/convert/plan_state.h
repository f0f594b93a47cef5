// What a plan holds: for the folders that apply it, not for users.
#ifndef ONNXQUANT_LIB_CONVERT_PLAN_STATE_H_
#define ONNXQUANT_LIB_CONVERT_PLAN_STATE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/convert/output_writer.h"
#include "lib/convert/planned_output.h"
#include "lib/model/model.h"
#include "lib/model/web_config.h"
#include "lib/policy/policy_yaml.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/factor_cache.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

struct Plan::State {
  explicit State(Model loaded) : model(std::move(loaded)) {}

  Model model;
  PlanOptions options;  // what was asked for, with the policy that was settled on
  PolicyText policy;    // without the rules of the options
  std::vector<PlannedOutput> outputs;
  std::vector<WebConfigEntry> config_entries;
  std::vector<std::string> inputs;  // files that are never written to
  std::optional<CalibrationFile> calibration;
  Report report;
};

class PlanAccess {
 public:
  using State = Plan::State;
  static Plan Make(std::unique_ptr<State> state) { return Plan(std::move(state)); }
  static const State& StateOf(const Plan& plan) { return *plan.state_; }
};

// The factors of the plan's calibration, within their share of the memory for working buffers;
// null without one. The plan outlives it.
std::unique_ptr<FactorCache> FactorsOf(const PlanAccess::State& state, const ApplyOptions& options);

// What is written, without the factors.
WriteJob WriteJobOf(const PlanAccess::State& state);

// The plan's report once it is applied. `warnings`: by output, of the conversion of the values.
Report FinishedReport(const PlanAccess::State& state,
                      const std::vector<std::vector<std::string>>& warnings,
                      std::uint64_t bytes_read, double seconds);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_PLAN_STATE_H_
