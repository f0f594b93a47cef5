// Statistics of a model as a file: running it, or adding up files of several runs.
#ifndef ONNXQUANT_LIB_CALIBRATE_CALIBRATE_FILE_H_
#define ONNXQUANT_LIB_CALIBRATE_CALIBRATE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/calibrate/calibrate.h"
#include "lib/files/single_output.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/targets.h"

namespace onnxquant {

// What such a file holds, without the sums, and how it was made.
struct CalibrationReport {
  std::string model;                // "" for files that were added up
  std::vector<std::string> merged;  // these files; none for a model that ran
  std::string output;
  std::uint64_t bytes = 0;
  std::size_t passes = 0;  // how often the model ran over the text
  double seconds = 0;
  std::map<std::string, std::string> metadata;  // of Statistics
  std::vector<MomentsInfo> values;
  std::vector<int> layers;  // by value, -1 outside layers; none for files that were added up
  std::vector<GradientInfo> gradients;
  std::vector<Unobserved> others;
  std::vector<std::string> warnings;
};

// How a calibration survives its end, as FILE.unfinished beside the file: the next run of the same
// goes on from there, and removes it with its last step.
struct KeepOptions {
  // Between texts, when so many seconds have passed since it began or was kept; the time that
  // keeping takes is a tenth of that at most. Negative: nothing is kept, and nothing gone on from.
  double every = 60;
  // Receives a sentence where a run goes on, where what was kept is of another run or damaged, and
  // where it cannot be kept.
  std::function<void(const std::string&)> notice = {};
};

// Runs the model and writes the file. `planned`, where there is one, is called before anything
// runs, once the file has its place and its space. Errors: those of PlanCalibration, Calibrate and
// OpenOutput; after an error nothing is left behind but what is kept.
absl::StatusOr<CalibrationReport> CalibrateToFile(
    const CalibrationOptions& options, const SingleOutput& output, const KeepOptions& keep,
    const std::function<void(const CalibrationPlan&)>& planned = nullptr);

// Adds up files of one model and different texts. Errors: those of CalibrationFile,
// MergeCalibrations and OpenOutput; kUsage for fewer than two files.
absl::StatusOr<CalibrationReport> MergeToFile(absl::Span<const std::string> files,
                                              const SingleOutput& output);

// {"model", "output", "bytes", "passes", "seconds", "metadata", "values": [{"name", "size", "rows",
// "layer"}], "gradients": [{"output", "lookup", "inputs", "outputs", "tokens"}], "not_observed":
// [{"node", "reason"}], "warnings"}; "layer" is null outside layers. Of files that were added up
// "merged" stands in the place of what only a run has. UTF-8, indented, with a newline at its end.
std::string ToJson(const CalibrationReport& report);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_CALIBRATE_FILE_H_
