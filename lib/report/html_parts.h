// The files of lib/report/html, embedded by cmake/EmbedReport.cmake.
#ifndef ONNXQUANT_LIB_REPORT_HTML_PARTS_H_
#define ONNXQUANT_LIB_REPORT_HTML_PARTS_H_

namespace onnxquant {

extern const char kReportHTML[];
extern const char kReportCSS[];
extern const char kReportJS[];

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REPORT_HTML_PARTS_H_
