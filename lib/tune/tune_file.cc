#include "lib/tune/tune_file.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/tune/confirm.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;

std::vector<std::string> InputsOf(const TuneOptions& options) {
  std::vector<std::string> others = {options.plan.calibration, options.plan.ranges, options.cache};
  if (options.tokens != kSelf) others.push_back(options.tokens);
  if (options.plan.policy_yaml.empty()) others.push_back(options.plan.policy);
  return FilesReadFor({options.model}, others);
}

Json FrontJson(const Tuning& tuning) {
  Json front = Json::array();
  for (const FrontPoint& point : tuning.front) {
    front.push_back({{"bytes", point.bytes}, {"kl", point.cost}});
  }
  return front;
}

Json WeightsJson(const Tuning& tuning) {
  Json weights = Json::array();
  for (const TunedWeight& weight : tuning.weights) {
    weights.push_back({{"name", weight.name},
                       {"role", weight.role},
                       {"layer", weight.layer < 0 ? Json() : Json(weight.layer)},
                       {"format", ToString(*weight.set.weights)},
                       {"bytes", weight.bytes},
                       {"kl", weight.cost},
                       {"changed", !weight.base}});
  }
  return weights;
}

}  // namespace

absl::StatusOr<TuneReport> TuneToFile(const TuneOptions& options, const SingleOutput& output,
                                      bool confirm) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<OutputFiles> files;
  if (!output.path.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles opened, OpenOutput(output, InputsOf(options), 0));
    files.emplace(std::move(opened));
  }
  TuneReport report;
  report.model = options.model;
  ONNXQUANT_ASSIGN_OR_RETURN(report.tuning, Tune(options));
  const bool chosen = !report.tuning.policy.empty();
  if (chosen && confirm) {
    ONNXQUANT_ASSIGN_OR_RETURN(report.measured_kl, Confirm(options, report.tuning));
  }
  if (chosen && files) {
    ONNXQUANT_RETURN_IF_ERROR(files->WriteAt(0, 0, AsBytes(report.tuning.policy)));
    ONNXQUANT_RETURN_IF_ERROR(files->Commit());
    report.output = output.path;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  report.seconds = seconds.count();
  return report;
}

std::string ToJson(const TuneReport& report) {
  const Tuning& tuning = report.tuning;
  const bool chosen = !tuning.policy.empty();
  const Json json = {
      {"model", report.model},
      {"output", report.output.empty() ? Json() : Json(report.output)},
      {"policy",
       {{"name", tuning.policy_name},
        {"chosen_because", tuning.chosen_because.empty() ? Json() : Json(tuning.chosen_because)}}},
      {"dtype", tuning.dtype},
      {"bytes", chosen ? Json(tuning.bytes) : Json()},
      {"predicted_kl", chosen ? Json(tuning.kl) : Json()},
      {"measured_kl", report.measured_kl ? Json(*report.measured_kl) : Json()},
      {"bytes_before", tuning.base_bytes},
      {"predicted_kl_before", tuning.base_kl ? Json(*tuning.base_kl) : Json()},
      {"tokens", tuning.positions},
      {"measured", tuning.measured},
      {"seconds", report.seconds},
      {"front", FrontJson(tuning)},
      {"weights", WeightsJson(tuning)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
