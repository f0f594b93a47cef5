#include "tools/check_run.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "tools/measure.h"
#include "tools/print.h"

namespace onnxquant::cli {

absl::StatusOr<std::vector<AloneResult>> RunChecked(const Arguments& arguments) {
  const MeasureArguments& measure = arguments.measure;
  AloneOptions options;
  options.model = arguments.model;
  options.providers = measure.providers;
  options.tokens = measure.tokens;
  options.count = measure.count;
  options.greedy = measure.greedy;
  options.runner = RunnerOptionsOf(measure);
  options.factory = measure.factory;
  options.cancelled = CancelledOf(arguments);
  options.progress = StepsOf(arguments);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(measure));
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
