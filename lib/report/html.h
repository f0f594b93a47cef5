// The report as a page, for people.
#ifndef ONNXQUANT_LIB_REPORT_HTML_H_
#define ONNXQUANT_LIB_REPORT_HTML_H_

#include <string>

namespace onnxquant {

// What the page shows, each as the JSON text that its own ToJson writes; "" for what there is not.
struct HtmlData {
  std::string plan;          // a Report
  std::string ranges;        // as 'onnxquant ranges' writes them
  std::string verification;  // a Verification
  std::string check = {};    // a CheckResult
  std::string tuning = {};   // a TuneReport
};

// One file of UTF-8 that asks the network for nothing and forbids itself to
// (Content-Security-Policy). The data stands in it as JSON that no name in it can end early; the
// page's script draws it. Text that is not JSON is left out, as if it were "".
std::string ToHtml(const HtmlData& data);

// Whether a report of this file name is to be a page: it ends in .html or .htm, in either case.
bool IsHtmlName(const std::string& path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REPORT_HTML_H_
