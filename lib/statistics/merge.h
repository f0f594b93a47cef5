// Statistics of several runs as those of one.
#ifndef ONNXQUANT_LIB_STATISTICS_MERGE_H_
#define ONNXQUANT_LIB_STATISTICS_MERGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/statistics.h"

namespace onnxquant {

// Adds counts and sums, in float32 and in the order given. Errors (kUsage) name both files: those
// of different models (fingerprints), values or sizes, and runs that drew the same text, which
// adding would only count twice.
absl::StatusOr<Statistics> MergeCalibrations(absl::Span<const CalibrationFile> files);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_MERGE_H_
