// The report as JSON, for programs.
#ifndef ONNXQUANT_LIB_REPORT_JSON_H_
#define ONNXQUANT_LIB_REPORT_JSON_H_

#include <string>

#include "onnxquant/report.h"

namespace onnxquant {

// UTF-8, indented by two spaces, keys in a fixed order, newline at the end. The keys are
// the fields of report.h.
std::string ToJson(const Report& report);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REPORT_JSON_H_
