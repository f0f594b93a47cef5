#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/report/table.h"
#include "onnxquant/report.h"
#include "tools/commands.h"
#include "tools/report_file.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

std::string LayerText(int layer) {
  return layer < 0 ? "" : absl::StrCat(layer);
}

std::string Shape(const std::vector<std::int64_t>& dims) {
  return absl::StrCat("[", absl::StrJoin(dims, ","), "]");
}

void PrintReasons(const std::vector<std::string>& why) {
  for (const std::string& reason : why) std::printf("    %s\n", reason.c_str());
}

std::string TensorTable(const OutputReport& output) {
  using Align = Table::Align;
  Table table({{"tensor"},
               {"shape"},
               {"role"},
               {"layer", Align::kRight},
               {"stored as"},
               {"bytes", Align::kRight}});
  for (const TensorRow& row : output.tensors) {
    table.AddRow({row.name, Shape(row.shape), row.role, LayerText(row.layer), row.format,
                  WithSeparators(row.bytes)});
  }
  return table.ToString();
}

// Tensors that several readers want in different forms cost their bytes more than once.
void PrintSharedCost(const OutputReport& output) {
  for (std::size_t i = 1; i < output.tensors.size(); ++i) {
    const TensorRow& row = output.tensors[i];
    if (row.name != output.tensors[i - 1].name) continue;
    std::printf("'%s' is stored more than once: also as %s, for role %s, %s\n", row.name.c_str(),
                row.format.c_str(), row.role.empty() ? "none" : row.role.c_str(),
                HumanBytes(row.bytes).c_str());
  }
}

// Returns whether anything of that name was found.
bool Explain(const OutputReport& output, const std::string& name) {
  bool found = false;
  for (const TensorRow& row : output.tensors) {
    if (row.name != name) continue;
    found = true;
    std::printf("%s: tensor '%s' %s%s%s is stored as %s (%s bytes), because\n",
                output.dtype.c_str(), name.c_str(), Shape(row.shape).c_str(),
                row.role.empty() ? "" : ", role ", row.role.c_str(), row.format.c_str(),
                WithSeparators(row.bytes).c_str());
    PrintReasons(row.why);
  }
  for (const NodeRow& row : output.nodes) {
    if (row.name != name) continue;
    found = true;
    std::printf("%s: node '%s' (%s)%s%s computes in %s, because\n", output.dtype.c_str(),
                name.c_str(), row.op.c_str(), row.role.empty() ? "" : ", role ", row.role.c_str(),
                row.compute.c_str());
    if (!row.evidence.empty())
      std::printf("    role %s: %s\n", row.role.c_str(), row.evidence.c_str());
    PrintReasons(row.why);
  }
  for (const ValueRow& row : output.values) {
    if (row.name != name) continue;
    found = true;
    std::printf("%s: graph %s '%s'%s%s is %s, because\n", output.dtype.c_str(),
                row.input ? "input" : "output", name.c_str(), row.role.empty() ? "" : ", role ",
                row.role.c_str(), row.type.c_str());
    PrintReasons(row.why);
  }
  return found;
}

absl::Status ExplainAll(const Report& report, const std::string& name) {
  bool found = false;
  std::vector<std::string> known;
  for (const OutputReport& output : report.outputs) {
    found = Explain(output, name) || found;
    for (const TensorRow& row : output.tensors) known.push_back(row.name);
    for (const NodeRow& row : output.nodes) known.push_back(row.name);
    for (const ValueRow& row : output.values) known.push_back(row.name);
  }
  if (found) return absl::OkStatus();
  return UsageError("--why: '", name, "' is no float tensor, node, input or output of ",
                    report.input, DidYouMean(name, known));
}

}  // namespace

absl::Status ShowPlan(const Arguments& arguments) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(arguments.model, arguments.plan));
  const Report& report = plan.report();
  ONNXQUANT_RETURN_IF_ERROR(WriteReport(arguments, report));
  if (!arguments.why.empty()) return ExplainAll(report, arguments.why);
  if (arguments.json) {
    std::fputs(ToJson(report).c_str(), stdout);
    return absl::OkStatus();
  }
  for (const OutputReport& output : report.outputs) {
    if (arguments.verbosity == Verbosity::kQuiet) break;
    std::printf("%s\n%s", output.dtype.c_str(), TensorTable(output).c_str());
    PrintSharedCost(output);
    std::printf("\n");
  }
  std::fputs(ResultTable(report).c_str(), stdout);
  PrintWarnings(report, arguments.verbosity);
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
