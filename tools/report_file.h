// The file that --report of a conversion or a plan asks for: a page when its name ends in .html,
// else JSON.
#ifndef ONNXQUANT_TOOLS_REPORT_FILE_H_
#define ONNXQUANT_TOOLS_REPORT_FILE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/output_files.h"
#include "onnxquant/report.h"
#include "tools/command_line.h"

namespace onnxquant::cli {

// Opened before the work begins, so that what would stop it at the end stops it at the start.
class ReportFile {
 public:
  // Refused (kWrite): a file that exists (unless --force), one of the input's files, the policy, a
  // file that the run itself writes, a folder that cannot be written to. Without --report, nothing.
  static absl::StatusOr<ReportFile> Open(const Arguments& arguments, const Report& plan);

  absl::Status Write(const Report& report);

 private:
  std::string name_;
  bool html_ = false;
  std::string ranges_;  // the file's text, for a page
  std::optional<OutputFiles> files_;
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_REPORT_FILE_H_
