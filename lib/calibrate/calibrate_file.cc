#include "lib/calibrate/calibrate_file.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/runtime/input_files.h"
#include "lib/statistics/merge.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr char kUnfinished[] = ".unfinished";

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Keeps what was summed, now and then.
class Keeper {
 public:
  // `run`: as of RunOf.
  Keeper(std::string run, SingleOutput output, const KeepOptions& keep)
      : run_(std::move(run)), output_(std::move(output)), keep_(keep) {}

  // What another run of the same has kept.
  std::optional<Snapshot> Find() const {
    std::error_code error;
    if (!std::filesystem::exists(output_.path, error)) return std::nullopt;
    absl::StatusOr<Snapshot> found = Snapshot::Open(output_.path);
    if (!found.ok()) {
      Say(absl::StrCat(found.status().message(), "; this run begins anew"));
      return std::nullopt;
    }
    if (found->place().run != run_) {
      Say(absl::StrCat(output_.path, ": is of another run; this one begins anew"));
      return std::nullopt;
    }
    Say(absl::StrCat("going on from ", output_.path));
    return *std::move(found);
  }

  absl::Status Keep(SnapshotPlace place, absl::Span<const Moments> done, MomentSums& sums) {
    constexpr double kShare = 9;  // of the time that keeping takes, at least
    if (failed_ || SecondsSince(last_) < std::max(keep_.every, kShare * took_)) {
      return absl::OkStatus();
    }
    const Clock::time_point start = Clock::now();
    place.run = run_;
    absl::Status written = WriteSnapshot(output_, place, done, sums);
    last_ = Clock::now();
    took_ = SecondsSince(start);
    if (KindOf(written) == ErrorKind::kCancelled) return written;
    failed_ = !written.ok();
    if (failed_) Say(absl::StrCat(written.message(), "; an interrupted run will begin anew"));
    return absl::OkStatus();
  }

 private:
  void Say(const std::string& sentence) const {
    if (keep_.notice) keep_.notice(sentence);
  }

  std::string run_;
  SingleOutput output_;
  const KeepOptions& keep_;
  Clock::time_point last_ = Clock::now();
  double took_ = 0;
  bool failed_ = false;
};

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
    const CalibrationOptions& options, const SingleOutput& output, const KeepOptions& keep,
    const std::function<void(const CalibrationPlan&)>& planned) {
  const Clock::time_point start = Clock::now();
  ONNXQUANT_ASSIGN_OR_RETURN(CalibrationPlan plan, PlanCalibration(options));
  std::vector<GradientInfo> gradients;
  for (const GradientPlan::Place& place : plan.gradients.places) gradients.push_back(place.info);
  const std::uint64_t bytes = CalibrationBytes(plan.values, gradients);
  std::vector<std::string> texts;
  if (options.tokens != kSelf) texts.push_back(options.tokens);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> arrays,
                             InputFilesOf(options.inputs.files));
  texts.insert(texts.end(), arrays.begin(), arrays.end());
  const std::vector<std::string> inputs = FilesReadFor({options.model}, texts);
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles files, OpenOutput(output, inputs, bytes));
  if (planned) planned(plan);
  const std::string kept = output.path + kUnfinished;
  const bool keeps = keep.every >= 0 && options.inputs.files.empty() &&
                     std::find(inputs.begin(), inputs.end(), kept) == inputs.end();
  CalibrationOptions running = options;
  std::optional<Keeper> keeper;
  std::optional<Snapshot> found;
  // Of tokens that cannot be read twice, as from a pipe, nothing is kept; where they cannot be read
  // at all, the run says so.
  const absl::StatusOr<std::string> run = RunOf(options, plan);
  if (keeps && run.ok()) {
    const SingleOutput beside{.path = kept, .force = true, .waiting = output.waiting};
    keeper.emplace(*run, beside, keep);
    found = keeper->Find();
    running.resume = found ? &*found : nullptr;
    running.save = [&keeper](SnapshotPlace place, absl::Span<const Moments> done,
                             MomentSums& sums) {
      return keeper->Keep(std::move(place), done, sums);
    };
    files.RemoveOnCommit({std::filesystem::path(kept).filename().string()});
  }
  ONNXQUANT_ASSIGN_OR_RETURN(Calibration made, Calibrate(running, plan));
  ONNXQUANT_RETURN_IF_ERROR(Write(made.statistics, files));
  CalibrationReport report = ReportOf(made.statistics, output.path, bytes);
  report.model = options.model;
  report.passes = plan.passes.size();
  report.layers = std::move(plan.layers);
  report.others = std::move(plan.others);
  report.warnings = std::move(made.warnings);
  report.seconds = SecondsSince(start);
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
