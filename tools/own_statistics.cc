#include "tools/own_statistics.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/calibrate/calibrate_file.h"
#include "tools/measure.h"
#include "tools/print.h"
#include "tools/progress.h"

namespace onnxquant::cli {

std::string OwnStatistics::path() const {
  return (std::filesystem::path(folder_.path()) / "calibration.safetensors").string();
}

absl::StatusOr<OwnStatistics> OwnStatistics::Make(const std::string& model,
                                                  const std::string& tokens,
                                                  const Surroundings& surroundings) {
  ONNXQUANT_ASSIGN_OR_RETURN(TemporaryFolder folder,
                             TemporaryFolder::Create("make the statistics with 'onnxquant "
                                                     "calibrate' and give --calibration"));
  OwnStatistics statistics(std::move(folder));
  CalibrationOptions options;
  options.model = model;
  options.tokens = tokens;
  options.factory = surroundings.factory;
  options.tool = absl::StrCat("onnxquant ", ONNXQUANT_VERSION);
  options.cancelled = CancelledOf(surroundings);
  if (!surroundings.quiet()) {
    PrintError("%s: making statistics of what its weights meet; 'onnxquant calibrate' keeps them\n",
               model);
  }
  Progress progress(!surroundings.quiet(), Progress::Unit::kTokens);
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.Update(done, total); };
  const absl::StatusOr<CalibrationReport> made =
      CalibrateToFile(options, SingleOutput{.path = statistics.path()}, {.every = -1});
  progress.Finish();
  ONNXQUANT_RETURN_IF_ERROR(made.status());
  if (!surroundings.quiet()) {
    for (const std::string& warning : made->warnings) PrintError("warning: %s\n", warning);
  }
  return statistics;
}

}  // namespace onnxquant::cli
