#include "tools/result_table.h"

#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/visible.h"
#include "lib/report/table.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

constexpr std::size_t kWarningsShown = 5;

std::string Formats(const OutputReport& output) {
  std::vector<std::string> parts;
  for (const FormatRow& row : output.formats) {
    parts.push_back(absl::StrCat(row.tensors, " × ", row.format, " ", HumanBytes(row.bytes)));
  }
  return absl::StrJoin(parts, ", ");
}

std::string Ratio(const OutputReport& output, std::uint64_t input_bytes) {
  if (input_bytes == 0) return "";
  return absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(output.TotalBytes()) /
                                        static_cast<double>(input_bytes));
}

}  // namespace

std::string ResultTable(const Report& report) {
  using Align = Table::Align;
  Table table({{"file"},
               {"bytes", Align::kRight},
               {"of input", Align::kRight},
               {"32-bit values", Align::kRight},
               {"16-bit values", Align::kRight},
               {"casts", Align::kRight},
               {"weights"}});
  for (const OutputReport& output : report.outputs) {
    for (std::size_t i = 0; i < output.files.size(); ++i) {
      const FileRow& file = output.files[i];
      if (i == 0) {
        table.AddRow({file.name, WithSeparators(file.bytes), Ratio(output, report.input_bytes),
                      absl::StrCat(output.float32_values), absl::StrCat(output.half_values),
                      absl::StrCat(output.casts), Formats(output)});
      } else {
        table.AddRow({file.name, WithSeparators(file.bytes)});
      }
    }
  }
  std::string text = table.ToString();
  for (const OutputReport& output : report.outputs) {
    for (const std::string& said : {output.residual, output.rope_cache}) {
      if (!said.empty()) absl::StrAppend(&text, output.dtype, ": ", Visible(said), "\n");
    }
  }
  return text;
}

std::string DtypeList(const Report& report) {
  std::vector<std::string> names;
  for (const OutputReport& output : report.outputs) names.push_back(output.dtype);
  return absl::StrJoin(names, ", ");
}

void PrintWarnings(const Report& report, Verbosity verbosity) {
  for (const OutputReport& output : report.outputs) {
    const std::size_t shown = verbosity == Verbosity::kVerbose
                                  ? output.warnings.size()
                                  : std::min(output.warnings.size(), kWarningsShown);
    for (std::size_t i = 0; i < shown; ++i) {
      PrintError("warning: %s: %s\n", output.dtype, output.warnings[i]);
    }
    if (shown < output.warnings.size()) {
      PrintError("warning: %s: %zu more; --verbose prints them all\n", output.dtype,
                 output.warnings.size() - shown);
    }
  }
}

}  // namespace onnxquant::cli
