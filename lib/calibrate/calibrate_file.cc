#include "lib/calibrate/calibrate_file.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/runtime/input_files.h"
#include "lib/statistics/merge.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;

absl::Status Write(const Statistics& statistics, OutputFiles& files) {
  ONNXQUANT_RETURN_IF_ERROR(
      WriteCalibration(statistics, [&](std::uint64_t offset, absl::Span<const std::byte> bytes) {
        return files.WriteAt(0, offset, bytes);
      }));
  return files.Commit();
}

// What is said of the statistics without their sums, which take gigabytes.
CalibrationReport ReportOf(const Statistics& statistics, const std::string& output,
                           std::uint64_t bytes) {
  CalibrationReport report;
  report.output = output;
  report.bytes = bytes;
  report.metadata = statistics.metadata;
  for (const Moments& one : statistics.moments) {
    report.values.push_back({one.value, one.size, one.count});
  }
  for (const GradientMoments& one : statistics.gradients) {
    report.gradients.push_back({one.output, one.lookup, one.inputs, one.outputs, one.count});
  }
  return report;
}

Json ValuesJson(const CalibrationReport& report) {
  Json values = Json::array();
  for (std::size_t i = 0; i < report.values.size(); ++i) {
    const MomentsInfo& value = report.values[i];
    Json row = {{"name", value.value}, {"size", value.size}, {"rows", value.count}};
    if (i < report.layers.size()) {
      row["layer"] = report.layers[i] < 0 ? Json() : Json(report.layers[i]);
    }
    values.push_back(std::move(row));
  }
  return values;
}

Json GradientsJson(const CalibrationReport& report) {
  Json gradients = Json::array();
  for (const GradientInfo& one : report.gradients) {
    gradients.push_back({{"output", one.output},
                         {"lookup", one.lookup},
                         {"inputs", one.inputs},
                         {"outputs", one.outputs},
                         {"tokens", one.count}});
  }
  return gradients;
}

}  // namespace

absl::StatusOr<CalibrationReport> CalibrateToFile(
    const CalibrationOptions& options, const SingleOutput& output,
    const std::function<void(const CalibrationPlan&)>& planned) {
  const auto start = std::chrono::steady_clock::now();
  ONNXQUANT_ASSIGN_OR_RETURN(CalibrationPlan plan, PlanCalibration(options));
  std::vector<GradientInfo> gradients;
  for (const GradientPlan::Place& place : plan.gradients.places) gradients.push_back(place.info);
  const std::uint64_t bytes = CalibrationBytes(plan.values, gradients);
  std::vector<std::string> texts;
  if (options.tokens != kSelf) texts.push_back(options.tokens);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> inputs,
                             InputFilesOf(options.inputs.files));
  texts.insert(texts.end(), inputs.begin(), inputs.end());
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles files,
                             OpenOutput(output, FilesReadFor({options.model}, texts), bytes));
  if (planned) planned(plan);
  ONNXQUANT_ASSIGN_OR_RETURN(Calibration made, Calibrate(options, plan));
  ONNXQUANT_RETURN_IF_ERROR(Write(made.statistics, files));
  CalibrationReport report = ReportOf(made.statistics, output.path, bytes);
  report.model = options.model;
  report.passes = plan.passes.size();
  report.layers = std::move(plan.layers);
  report.others = std::move(plan.others);
  report.warnings = std::move(made.warnings);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  report.seconds = seconds.count();
  return report;
}

absl::StatusOr<CalibrationReport> MergeToFile(absl::Span<const std::string> files,
                                              const SingleOutput& output) {
  if (files.size() < 2) {
    return UsageError("found ", files.size(), files.size() == 1 ? " file" : " files",
                      " of statistics to add up; expected two or more, of one model and different ",
                      "texts");
  }
  std::vector<CalibrationFile> opened;
  for (const std::string& path : files) {
    ONNXQUANT_ASSIGN_OR_RETURN(CalibrationFile file, CalibrationFile::Open(path));
    opened.push_back(std::move(file));
  }
  const std::uint64_t bytes =
      CalibrationBytes(opened.front().entries(), opened.front().gradients());
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles written, OpenOutput(output, files, bytes));
  ONNXQUANT_ASSIGN_OR_RETURN(const Statistics sum, MergeCalibrations(opened));
  ONNXQUANT_RETURN_IF_ERROR(Write(sum, written));
  CalibrationReport report = ReportOf(sum, output.path, bytes);
  report.merged.assign(files.begin(), files.end());
  return report;
}

std::string ToJson(const CalibrationReport& report) {
  Json json = {{"output", report.output},
               {"bytes", report.bytes},
               {"metadata", report.metadata},
               {"values", ValuesJson(report)},
               {"gradients", GradientsJson(report)}};
  if (!report.merged.empty()) {
    json["merged"] = report.merged;
  } else {
    Json others = Json::array();
    for (const Unobserved& other : report.others) {
      others.push_back({{"node", other.node}, {"reason", other.reason}});
    }
    json["model"] = report.model;
    json["passes"] = report.passes;
    json["seconds"] = report.seconds;
    json["not_observed"] = std::move(others);
    json["warnings"] = report.warnings;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
