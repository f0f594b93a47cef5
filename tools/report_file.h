// The file that --report of a conversion or a plan asks for: a page when its name ends in .html,
// else JSON.
#ifndef ONNXQUANT_TOOLS_REPORT_FILE_H_
#define ONNXQUANT_TOOLS_REPORT_FILE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "onnxquant/quantize.h"
#include "tools/options.h"

namespace onnxquant::cli {

// What ApplyPlan writes together with the outputs; none without --report. Refused (kWrite): a file
// that the run itself writes.
absl::StatusOr<std::vector<ReportText>> ReportTexts(const ConversionOptions& conversion,
                                                    const Report& plan);

// Writes it by itself. Refused (kWrite), too: a file that exists (unless --force), one of the
// input's files, the policy, a folder that cannot be written to.
absl::Status WriteReport(const ConversionOptions& conversion, const Waiting& waiting,
                         const Report& plan);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_REPORT_FILE_H_
