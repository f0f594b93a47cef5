#include "tools/result_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
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
constexpr std::size_t kReasonsShown = 5;
constexpr std::uint64_t kWorthSaying = 64'000;  // bytes of a weight

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

struct LeftGroup {
  std::string reason;
  std::vector<const TensorRow*> rows;  // of most bytes first
  std::uint64_t bytes = 0;
};

std::vector<LeftGroup> LeftByReason(const OutputReport& output, std::uint64_t at_least) {
  std::map<std::string, LeftGroup> by_reason;
  for (const TensorRow& row : output.tensors) {
    if (row.left.empty() || row.bytes < at_least) continue;
    LeftGroup& group = by_reason[row.left];
    group.rows.push_back(&row);
    group.bytes += row.bytes;
  }
  std::vector<LeftGroup> groups;
  for (auto& [reason, group] : by_reason) {
    group.reason = reason;
    std::stable_sort(group.rows.begin(), group.rows.end(),
                     [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
    groups.push_back(std::move(group));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const LeftGroup& a, const LeftGroup& b) { return a.bytes > b.bytes; });
  return groups;
}

std::string Names(const LeftGroup& group, bool all) {
  if (all) {
    return absl::StrJoin(group.rows, ", ", [](std::string* out, const TensorRow* row) {
      absl::StrAppend(out, "'", row->name, "' ", HumanBytes(row->bytes));
    });
  }
  const std::size_t more = group.rows.size() - 1;
  return absl::StrCat("'", group.rows[0]->name, "'",
                      more == 0 ? "" : absl::StrCat(" and ", more, " more"));
}

std::string Left(const OutputReport& output, bool verbose) {
  const std::vector<LeftGroup> groups = LeftByReason(output, verbose ? 0 : kWorthSaying);
  if (groups.empty()) return "";
  std::size_t weights = 0;
  std::uint64_t bytes = 0;
  bool floats = true;
  for (const LeftGroup& group : groups) {
    for (const TensorRow* row : group.rows) floats = floats && row->format != kCodesOfSource;
    weights += group.rows.size();
    bytes += group.bytes;
  }
  const std::size_t shown = verbose ? groups.size() : std::min(groups.size(), kReasonsShown);
  std::string text =
      absl::StrCat(output.dtype, ": codes were asked for, and ", weights,
                   weights == 1 ? " weight stays" : " weights stay",
                   floats ? " in floats, " : " as in the source, ", HumanBytes(bytes), ":\n");
  for (std::size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&text, "  ", HumanBytes(groups[i].bytes), ": ",
                    Visible(Names(groups[i], verbose)), ": ", Visible(groups[i].reason), "\n");
  }
  if (shown < groups.size()) {
    const std::size_t more = groups.size() - shown;
    absl::StrAppend(&text, "  and ", more, more == 1 ? " more reason" : " more reasons",
                    "; --verbose says all\n");
  }
  return text;
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
    for (const std::string& said : output.runs) {
      absl::StrAppend(&text, output.dtype, ": ", Visible(said), "\n");
    }
  }
  for (const OutputReport& output : report.outputs) {
    if (output.shared_tensors == 0) continue;
    absl::StrAppend(&text, output.dtype, ": ", output.shared_tensors,
                    output.shared_tensors == 1 ? " tensor has" : " tensors have",
                    " the bytes of another, stored once: ", HumanBytes(output.shared_bytes),
                    " saved\n");
  }
  for (const OutputReport& output : report.outputs) {
    if (output.tied_tensors == 0) continue;
    absl::StrAppend(&text, output.dtype, ": the codes of ", output.tied_tensors,
                    output.tied_tensors == 1 ? " tensor are" : " tensors are",
                    " read by several operators, stored once: ", HumanBytes(output.tied_bytes),
                    " saved\n");
  }
  return text;
}

std::string LeftInFloat(const Report& report, Verbosity verbosity) {
  std::string text;
  for (const OutputReport& output : report.outputs) {
    text += Left(output, verbosity == Verbosity::kVerbose);
  }
  return text;
}

std::string PolicyText(const std::string& asked, const Report& report) {
  if (report.policy_choice.empty()) return asked;
  return absl::StrCat(report.outputs[0].policy, " (", report.policy_choice, ")");
}

std::string DtypeList(const Report& report) {
  std::vector<std::string> names;
  for (const OutputReport& output : report.outputs) names.push_back(output.dtype);
  return absl::StrJoin(names, ", ");
}

std::string Warnings(const Report& report, Verbosity verbosity) {
  std::string text;
  for (const OutputReport& output : report.outputs) {
    const std::size_t shown = verbosity == Verbosity::kVerbose
                                  ? output.warnings.size()
                                  : std::min(output.warnings.size(), kWarningsShown);
    for (std::size_t i = 0; i < shown; ++i) {
      absl::StrAppend(&text, "warning: ", output.dtype, ": ", Visible(output.warnings[i]), "\n");
    }
    if (shown < output.warnings.size()) {
      absl::StrAppend(&text, "warning: ", output.dtype, ": ", output.warnings.size() - shown,
                      " more; --verbose prints them all\n");
    }
  }
  return text;
}

}  // namespace onnxquant::cli
