#include "tools/report_file.h"

#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/types/span.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/report/html.h"
#include "lib/text/read_text.h"
#include "onnxquant/report.h"

namespace onnxquant::cli {
namespace {

namespace fs = std::filesystem;

bool IsOutput(const fs::path& path, const Report& plan) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(fs::absolute(path), error);
  const fs::path folder = fs::weakly_canonical(fs::absolute(plan.directory), error);
  for (const OutputReport& output : plan.outputs) {
    for (const FileRow& file : output.files) {
      if (real == folder / file.name) return true;
    }
  }
  return !plan.config.empty() && fs::equivalent(path, plan.config, error);
}

}  // namespace

absl::StatusOr<ReportFile> ReportFile::Open(const Arguments& arguments, const Report& plan) {
  ReportFile report;
  if (arguments.report.empty()) return report;
  const fs::path path(arguments.report);
  if (IsOutput(path, plan)) {
    return WriteError(arguments.report,
                      ": is written by this run itself; choose another file for --report");
  }
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OutputFiles::Create(folder, {.force = arguments.apply.force, .option = "--report"}));
  for (const std::string& input : plan.input_files) files.Protect(input);
  files.Protect(arguments.plan.policy);
  if (!arguments.plan.ranges.empty()) files.Protect(arguments.plan.ranges);
  report.html_ = IsHtmlName(arguments.report);
  if (report.html_ && !arguments.plan.ranges.empty()) {
    // A second time, which a pipe would not bear.
    const TextRule rule = {.kind = ErrorKind::kUsage,
                           .what = "the file of ranges that an HTML report shows",
                           .largest = limits::kRangesBytes};
    ONNXQUANT_ASSIGN_OR_RETURN(report.ranges_, ReadText(arguments.plan.ranges, rule));
  }
  report.name_ = path.filename().string();
  report.files_.emplace(std::move(files));
  // Only tried here: how long the report will be is not known yet.
  ONNXQUANT_RETURN_IF_ERROR(report.files_->Add(report.name_, 0).status());
  return report;
}

absl::Status ReportFile::Write(const Report& report) {
  if (!files_.has_value()) return absl::OkStatus();
  const std::string json = ToJson(report);
  const std::string page =
      html_ ? ToHtml({.plan = json, .ranges = ranges_, .verification = ""}) : "";
  const absl::Span<const char> text = html_ ? page : json;
  ONNXQUANT_RETURN_IF_ERROR(
      files_->WriteAt(0, 0, {reinterpret_cast<const std::byte*>(text.data()), text.size()}));
  return files_->Commit();
}

}  // namespace onnxquant::cli
