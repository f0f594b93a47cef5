#include "tools/check_run.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "tools/measure.h"
#include "tools/print.h"

namespace onnxquant::cli {

absl::StatusOr<std::vector<AloneResult>> RunChecked(const std::string& model,
                                                    const ProviderOptions& where,
                                                    const RunOptions& run,
                                                    const Surroundings& surroundings) {
  AloneOptions options;
  options.model = model;
  options.providers = where.providers;
  options.tokens = run.tokens;
  options.count = run.count;
  options.greedy = where.greedy;
  options.runner = RunnerOptionsOf(run.runtime);
  options.factory = surroundings.factory;
  options.cancelled = CancelledOf(surroundings);
  options.progress = StepsOf(surroundings);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(run.runtime));
  options.inputs.files = run.inputs;
  return RunAlone(options);
}

void PrintRuns(absl::Span<const AloneResult> runs) {
  for (const AloneResult& run : runs) {
    std::string text = run.passed() ? "runs" : absl::StrJoin(run.failures, "; ");
    if (!run.error.empty() && text.find(run.error) == std::string::npos) {
      absl::StrAppend(&text, ": ", run.error);
    }
    if (!run.first_bad.empty()) absl::StrAppend(&text, "; ", run.first_bad);
    if (!run.text.empty()) absl::StrAppend(&text, "; it writes ", absl::StrJoin(run.text, " "));
    Print("on %s: %s\n", run.provider, text);
  }
}

std::string WithRuns(const CheckResult& result, absl::Span<const AloneResult> runs) {
  if (runs.empty()) return ToJson(result);
  using Json = nlohmann::ordered_json;
  Json json = Json::parse(ToJson(result));
  json["runs"] = Json::parse(ToJson(runs));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant::cli
