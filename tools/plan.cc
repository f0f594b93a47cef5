#include "tools/plan.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/policy/glob.h"
#include "lib/report/fold.h"
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
  app.add_option("--why", view_.why,
                 "explain the tensor, node, input or output of this name, or all whose names fit a "
                 "glob: *, ?, [0-9]; for '[' itself '[[]'")
      ->type_name("NAME|GLOB");
  app.add_flag("--all", view_.all, "a line for each tensor, not one for all layers");
  app.add_option("--manifest", view_.manifest,
                 "save the plan, with the place of every tensor, for 'onnxquant apply'")
      ->type_name("FILE");
  AddJson(app, view_.json);
}

std::string Shape(const std::vector<std::int64_t>& dims) {
  return absl::StrCat("[", absl::StrJoin(dims, ","), "]");
}

void PrintReasons(const std::vector<std::string>& why) {
  for (const std::string& reason : why) Print("    %s\n", reason);
}

std::string TensorTable(const OutputReport& output, bool all) {
  using Align = Table::Align;
  Table table({{"tensor"},
               {"shape"},
               {"role"},
               {"layer", Align::kRight},
               {"stored as"},
               {"bytes", Align::kRight}});
  std::vector<LayerRow> rows;
  for (const TensorRow& row : output.tensors) {
    const std::string shared =
        row.same_as.empty() ? "" : absl::StrCat(", in the bytes of '", row.same_as, "'");
    rows.push_back({row.name,
                    row.layer,
                    {Shape(row.shape), row.role, absl::StrCat(row.format, shared)},
                    row.bytes});
  }
  for (const FoldedRow& row : all ? Unfolded(rows) : FoldLayers(rows)) {
    table.AddRow({row.name, row.cells[0], row.cells[1], row.layers, row.cells[2],
                  WithSeparators(row.bytes)});
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

using Fits = std::function<bool(const std::string& name)>;

// Returns whether anything of such a name was found.
bool Explain(const OutputReport& output, const Fits& fits) {
  bool found = false;
  for (const TensorRow& row : output.tensors) {
    if (!fits(row.name)) continue;
    found = true;
    Print("%s: tensor '%s' %s%s%s is stored as %s (%s bytes), because\n", output.dtype, row.name,
          Shape(row.shape), row.role.empty() ? "" : ", role ", row.role, row.format,
          WithSeparators(row.bytes));
    PrintReasons(row.why);
  }
  for (const NodeRow& row : output.nodes) {
    if (!fits(row.name)) continue;
    found = true;
    Print("%s: node '%s' (%s)%s%s computes in %s, because\n", output.dtype, row.name, row.op,
          row.role.empty() ? "" : ", role ", row.role, row.compute);
    if (!row.evidence.empty()) Print("    role %s: %s\n", row.role, row.evidence);
    PrintReasons(row.why);
  }
  for (const ValueRow& row : output.values) {
    if (!fits(row.name)) continue;
    found = true;
    Print("%s: graph %s '%s'%s%s is %s, because\n", output.dtype, row.input ? "input" : "output",
          row.name, row.role.empty() ? "" : ", role ", row.role, row.type);
    PrintReasons(row.why);
  }
  return found;
}

bool ExplainIn(const Report& report, const Fits& fits) {
  bool found = false;
  for (const OutputReport& output : report.outputs) found = Explain(output, fits) || found;
  return found;
}

// A name that something has is no glob.
absl::Status ExplainAll(const Report& report, const std::string& name) {
  if (ExplainIn(report, [&name](const std::string& other) { return other == name; }) ||
      ExplainIn(report, [&name](const std::string& other) { return FitsGlob(name, other); })) {
    return absl::OkStatus();
  }
  std::vector<std::string> known;
  for (const OutputReport& output : report.outputs) {
    for (const TensorRow& row : output.tensors) known.push_back(row.name);
    for (const NodeRow& row : output.nodes) known.push_back(row.name);
    for (const ValueRow& row : output.values) known.push_back(row.name);
  }
  return UsageError("--why: '", name, "' is no float tensor, node, input or output of ",
                    report.input, DidYouMean(name, known));
}

// `in_folder`: one of several models. `json` becomes what there is to print of it, where that is
// asked for.
absl::Status ShowPlanOfFile(const ConversionOptions& conversion, const PlanView& view,
                            bool in_folder, const Surroundings& surroundings, std::string& json) {
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
    json = ToJson(report);
    return absl::OkStatus();
  }
  if (in_folder || !report.policy_choice.empty()) {
    Print("%s, policy %s\n\n", conversion.model, PolicyText(conversion.plan.policy, report));
  }
  const bool all = view.all || surroundings.verbose();
  for (const OutputReport& output : report.outputs) {
    if (surroundings.quiet()) break;
    PrintText(absl::StrCat(output.dtype, "\n", TensorTable(output, all)));
    PrintSharedCost(output);
    Print("\n");
  }
  PrintText(ResultTable(report));
  PrintText(LeftInFloat(report, surroundings.verbosity));
  PrintText(Warnings(report, surroundings.verbosity));  // a part of the plan, as of its JSON
  return absl::OkStatus();
}

}  // namespace

absl::Status ShowPlan(const ConversionOptions& conversion, const PlanView& view,
                      const Surroundings& surroundings) {
  if (!IsFolder(conversion.model)) {
    ONNXQUANT_RETURN_IF_ERROR(RefuseSessions(conversion));
    std::string json;
    ONNXQUANT_RETURN_IF_ERROR(ShowPlanOfFile(conversion, view, false, surroundings, json));
    PrintText(json);
    return absl::OkStatus();
  }
  const char* of_one = !conversion.report.empty() ? "--report"
                       : !view.manifest.empty()   ? "--manifest"
                       : !view.why.empty()        ? "--why"
                                                  : "";
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<ConversionOptions> sessions,
                             ConversionsOf(conversion, of_one, surroundings));
  std::vector<std::string> documents;
  for (const ConversionOptions& session : sessions) {
    ONNXQUANT_RETURN_IF_ERROR(
        ShowPlanOfFile(session, view, true, surroundings, documents.emplace_back()));
    if (!view.json) Print("\n");
  }
  if (view.json) PrintJsonArray(documents);
  return absl::OkStatus();
}

std::unique_ptr<Command> NewPlan() {
  return std::make_unique<PlanCommand>();
}

}  // namespace onnxquant::cli
