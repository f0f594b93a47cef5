#include "tools/plan.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/report/table.h"
#include "onnxquant/manifest.h"
#include "onnxquant/report.h"
#include "tools/commands.h"
#include "tools/folder.h"
#include "tools/interrupt.h"
#include "tools/print.h"
#include "tools/report_file.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

class PlanCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override {
    return ShowPlan(conversion_, view_, surroundings);
  }

 private:
  ConversionOptions conversion_;
  PlanView view_;
};

void PlanCommand::AddOptions(CLI::App& app) {
  conversion_.Add(app)->required();
  AddVerbosity(app);
  AddReport(app, conversion_.report);
  AddForce(app, conversion_.force, "replace an existing report or manifest");
  app.add_option("--why", view_.why, "explain this tensor, node, input or output")
      ->type_name("NAME");
  app.add_option("--manifest", view_.manifest,
                 "save the plan, with the place of every tensor, for 'onnxquant apply'")
      ->type_name("FILE");
  AddJson(app, view_.json);
}

std::string LayerText(int layer) {
  return layer < 0 ? "" : absl::StrCat(layer);
}

std::string Shape(const std::vector<std::int64_t>& dims) {
  return absl::StrCat("[", absl::StrJoin(dims, ","), "]");
}

void PrintReasons(const std::vector<std::string>& why) {
  for (const std::string& reason : why) Print("    %s\n", reason);
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
    const std::string shared =
        row.same_as.empty() ? "" : absl::StrCat(", in the bytes of '", row.same_as, "'");
    table.AddRow({row.name, Shape(row.shape), row.role, LayerText(row.layer),
                  absl::StrCat(row.format, shared), WithSeparators(row.bytes)});
  }
  return table.ToString();
}

// Tensors that several readers want in different forms cost their bytes more than once.
void PrintSharedCost(const OutputReport& output) {
  for (std::size_t i = 1; i < output.tensors.size(); ++i) {
    const TensorRow& row = output.tensors[i];
    if (row.name != output.tensors[i - 1].name) continue;
    Print("'%s' is stored more than once: also as %s, for role %s, %s\n", row.name, row.format,
          row.role.empty() ? std::string("none") : row.role, HumanBytes(row.bytes));
  }
}

// Returns whether anything of that name was found.
bool Explain(const OutputReport& output, const std::string& name) {
  bool found = false;
  for (const TensorRow& row : output.tensors) {
    if (row.name != name) continue;
    found = true;
    Print("%s: tensor '%s' %s%s%s is stored as %s (%s bytes), because\n", output.dtype, name,
          Shape(row.shape), row.role.empty() ? "" : ", role ", row.role, row.format,
          WithSeparators(row.bytes));
    PrintReasons(row.why);
  }
  for (const NodeRow& row : output.nodes) {
    if (row.name != name) continue;
    found = true;
    Print("%s: node '%s' (%s)%s%s computes in %s, because\n", output.dtype, name, row.op,
          row.role.empty() ? "" : ", role ", row.role, row.compute);
    if (!row.evidence.empty()) Print("    role %s: %s\n", row.role, row.evidence);
    PrintReasons(row.why);
  }
  for (const ValueRow& row : output.values) {
    if (row.name != name) continue;
    found = true;
    Print("%s: graph %s '%s'%s%s is %s, because\n", output.dtype, row.input ? "input" : "output",
          name, row.role.empty() ? "" : ", role ", row.role, row.type);
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

// `in_folder`: one of several models.
absl::Status ShowPlanOfFile(const ConversionOptions& conversion, const PlanView& view,
                            bool in_folder, const Surroundings& surroundings) {
  PlanOptions options = conversion.plan;
  options.list_nodes = view.json || !view.why.empty() || !conversion.report.empty();
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(conversion.model, options));
  const Report& report = plan.report();
  HoldInterrupts();  // while the report's file is half written
  ONNXQUANT_RETURN_IF_ERROR(WriteReport(conversion, surroundings.waiting(), report));
  if (!view.manifest.empty()) {
    ONNXQUANT_RETURN_IF_ERROR(SaveManifest(plan, view.manifest,
                                           {.force = conversion.force,
                                            .cancelled = surroundings.cancelled,
                                            .notice = surroundings.notice}));
    if (!surroundings.quiet()) {
      PrintError("%s: the plan is saved; 'onnxquant apply --manifest %s' carries it out\n",
                 view.manifest, view.manifest);
    }
  }
  ReleaseInterrupts();
  if (!view.why.empty()) return ExplainAll(report, view.why);
  if (view.json) {
    PrintText(ToJson(report));
    return absl::OkStatus();
  }
  if (in_folder || !report.policy_choice.empty()) {
    Print("%s, policy %s\n\n", conversion.model, PolicyText(conversion.plan.policy, report));
  }
  for (const OutputReport& output : report.outputs) {
    if (surroundings.quiet()) break;
    PrintText(absl::StrCat(output.dtype, "\n", TensorTable(output)));
    PrintSharedCost(output);
    Print("\n");
  }
  PrintText(ResultTable(report));
  PrintText(LeftInFloat(report, surroundings.verbosity));
  PrintWarnings(report, surroundings.verbosity);
  return absl::OkStatus();
}

}  // namespace

absl::Status ShowPlan(const ConversionOptions& conversion, const PlanView& view,
                      const Surroundings& surroundings) {
  if (!IsFolder(conversion)) {
    ONNXQUANT_RETURN_IF_ERROR(RefuseSessions(conversion));
    return ShowPlanOfFile(conversion, view, false, surroundings);
  }
  const char* of_one = !conversion.report.empty() ? "--report"
                       : !view.manifest.empty()   ? "--manifest"
                       : !view.why.empty()        ? "--why"
                       : view.json                ? "--json"
                                                  : "";
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<ConversionOptions> sessions,
                             ConversionsOf(conversion, of_one, surroundings));
  for (const ConversionOptions& session : sessions) {
    ONNXQUANT_RETURN_IF_ERROR(ShowPlanOfFile(session, view, true, surroundings));
    Print("\n");
  }
  return absl::OkStatus();
}

std::unique_ptr<Command> NewPlan() {
  return std::make_unique<PlanCommand>();
}

}  // namespace onnxquant::cli
