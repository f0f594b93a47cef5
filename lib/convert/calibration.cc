#include "lib/convert/calibration.h"

#include <utility>

#include "lib/base/error.h"
#include "lib/statistics/fingerprint.h"
#include "lib/statistics/targets.h"

namespace onnxquant {
namespace {

absl::StatusOr<std::string> FingerprintAsItRuns(const Model& model, const Analysis& analysis,
                                                const ObservedValues& targets) {
  if (model.from_file()) return FingerprintOfFile(model.path());
  return FingerprintOf(model, analysis.graph, targets);
}

}  // namespace

absl::StatusOr<OpenedCalibration> OpenCalibration(const std::string& path, const Model& model,
                                                  const Analysis& analysis) {
  absl::StatusOr<CalibrationFile> opened = CalibrationFile::Open(path);
  // Whatever is wrong with it, the model is not.
  if (!opened.ok()) return UsageError(opened.status().message());
  CalibrationFile file = *std::move(opened);
  ONNXQUANT_ASSIGN_OR_RETURN(const ObservedValues targets,
                             FindTargets(analysis.graph, analysis.types, model.path()));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string fingerprint,
                             FingerprintAsItRuns(model, analysis, targets));
  if (file.fingerprint() != fingerprint) {
    return UsageError(path, ": these statistics are of another model: its fingerprint is ",
                      file.fingerprint(), ", that of ", model.path(), " is ", fingerprint,
                      "; make them with 'onnxquant calibrate ", model.path(), " -o FILE'");
  }
  Calibrated known;
  known.file = path;
  for (const ObservedValue& target : targets.values) {
    if (file.Find(target.name) == nullptr) continue;
    for (const Use& reader : target.readers) {
      known.inputs.emplace(std::pair(reader.node, reader.input), target.name);
      const std::string& output = analysis.graph.node(reader.node).proto->output(0);
      const GradientInfo* gradient = file.FindGradient(output);
      if (gradient != nullptr && !gradient->lookup && gradient->inputs == target.size) {
        known.gradients.emplace(reader.node, output);
      }
    }
  }
  return OpenedCalibration{std::move(file), std::move(known)};
}

}  // namespace onnxquant
