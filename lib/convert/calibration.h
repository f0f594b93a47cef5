// The statistics that a conversion was given, held against its model.
#ifndef ONNXQUANT_LIB_CONVERT_CALIBRATION_H_
#define ONNXQUANT_LIB_CONVERT_CALIBRATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "lib/statistics/calibration_file.h"

namespace onnxquant {

struct OpenedCalibration {
  CalibrationFile file;
  Calibrated known;  // what rules and the plan see of it
};

// Errors: kUsage: a file that cannot be read, is damaged, or is of another model, of which the
// weights tell; kModel: a model that holds codes.
absl::StatusOr<OpenedCalibration> OpenCalibration(const std::string& path, const Model& model,
                                                  const Analysis& analysis);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_CALIBRATION_H_
