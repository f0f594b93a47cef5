#include "tools/report_file.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/report/html.h"
#include "lib/text/read_text.h"
#include "onnxquant/report.h"
#include "tools/text_file.h"

namespace onnxquant::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kOption[] = "--report";

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

absl::StatusOr<std::vector<ReportText>> ReportTexts(const ConversionOptions& conversion,
                                                    const Report& plan) {
  std::vector<ReportText> texts;
  if (conversion.report.empty()) return texts;
  if (IsOutput(conversion.report, plan)) {
    return WriteError(conversion.report,
                      ": is written by this run itself; choose another file for --report");
  }
  if (!IsHtmlName(conversion.report)) {
    texts.push_back(
        {conversion.report, [](const Report& report) { return ToJson(report); }, kOption});
    return texts;
  }
  std::string ranges;
  if (!conversion.plan.ranges.empty()) {
    // A second time, which a pipe would not bear.
    const TextRule rule = {.kind = ErrorKind::kUsage,
                           .what = "the file of ranges that an HTML report shows",
                           .largest = limits::kRangesBytes};
    ONNXQUANT_ASSIGN_OR_RETURN(ranges, ReadText(conversion.plan.ranges, rule));
  }
  texts.push_back({conversion.report,
                   [ranges](const Report& report) {
                     return ToHtml({.plan = ToJson(report), .ranges = ranges, .verification = ""});
                   },
                   kOption});
  return texts;
}

absl::Status WriteReport(const ConversionOptions& conversion, const Waiting& waiting,
                         const Report& plan) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<ReportText> texts, ReportTexts(conversion, plan));
  std::vector<std::string> inputs = plan.input_files;
  inputs.push_back(conversion.plan.policy);
  if (!conversion.plan.ranges.empty()) inputs.push_back(conversion.plan.ranges);
  if (!conversion.plan.calibration.empty()) inputs.push_back(conversion.plan.calibration);
  for (const ReportText& text : texts) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        TextFile file, TextFile::Open(text.path, conversion.force, waiting, inputs, kOption));
    ONNXQUANT_RETURN_IF_ERROR(file.Write(text.text(plan)));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
