// Turns a plan into the rows that users read.
#ifndef ONNXQUANT_LIB_CONVERT_REPORT_ROWS_H_
#define ONNXQUANT_LIB_CONVERT_REPORT_ROWS_H_

#include "lib/convert/planned_output.h"
#include "lib/policy/plan.h"
#include "onnxquant/report.h"

namespace onnxquant {

OutputReport MakeOutputReport(const Analysis& analysis, const OutputPlan& plan,
                              const PlannedOutput& output, bool list_nodes);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_REPORT_ROWS_H_
