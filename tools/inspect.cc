#include "lib/inspect/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/analysis/roles.h"
#include "lib/base/error.h"
#include "lib/report/fold.h"
#include "lib/report/table.h"
#include "onnxquant/sessions.h"
#include "tools/commands.h"
#include "tools/folder.h"
#include "tools/options.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

constexpr std::size_t kWeightsShown = 20;

class InspectCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  void PrintInspection(const Inspection& inspection, const Surroundings& surroundings) const;

  std::string model_;
  std::string checkpoint_;
  bool all_ = false;  // a line for each value and weight
  bool json_ = false;
};

void InspectCommand::AddOptions(CLI::App& app) {
  AddModel(app, model_, true)->required();
  app.add_option("--checkpoint", checkpoint_,
                 "compare the weights with those of the checkpoint that it was exported from: a "
                 ".safetensors or .gguf file, or a folder; ends with status 5 where some are lost")
      ->type_name("PATH");
  app.add_flag("--all", all_,
               "a line for each input, output and weight, not one for all layers, and all weights");
  AddJson(app, json_);
  AddVerbosity(app);
}

// Of a cache, which layer it is of is in its name alone: its first number.
int LayerOf(const InspectedValue& value) {
  if (value.role != NameOf(Role::kKvCache)) return -1;
  const auto digit = std::find_if(value.name.begin(), value.name.end(), absl::ascii_isdigit);
  const auto end = std::find_if_not(digit, value.name.end(), absl::ascii_isdigit);
  int layer = -1;
  return absl::SimpleAtoi(std::string(digit, end), &layer) ? layer : -1;
}

void PrintValues(const char* title, const std::vector<InspectedValue>& values, bool all) {
  std::vector<LayerRow> rows;
  for (const InspectedValue& value : values) {
    rows.push_back({value.name, LayerOf(value), {value.type, value.shape, value.role}});
  }
  Table table({{title}, {"type"}, {"shape"}, {"role"}, {"layer", Table::Align::kRight}});
  for (const FoldedRow& row : all ? Unfolded(rows) : FoldLayers(rows)) {
    table.AddRow({row.name, row.cells[0], row.cells[1], row.cells[2], row.layers});
  }
  PrintText(table.ToString() + "\n");
}

std::string Counts(const std::vector<InspectedCount>& counts) {
  std::vector<std::string> parts;
  for (const InspectedCount& row : counts) parts.push_back(absl::StrCat(row.count, " ", row.name));
  return absl::StrJoin(parts, ", ");
}

void PrintRoles(const Inspection& inspection) {
  Table table({{"role"}, {"nodes", Table::Align::kRight}, {"for example"}, {"evidence"}});
  for (const InspectedRole& row : inspection.roles) {
    table.AddRow({row.role, absl::StrCat(row.nodes), row.example, row.evidence});
  }
  PrintText(table.ToString() + "\n");
  if (inspection.ambiguous_roles.empty()) return;
  Table open({{"without a role"}, {"why"}});
  for (const InspectedAmbiguity& one : inspection.ambiguous_roles) open.AddRow({one.node, one.why});
  PrintText(open.ToString() + "\n");
}

void PrintHazards(const Inspection& inspection) {
  if (inspection.hazards.empty()) return;
  Table table({{"float16 hazard"}, {"nodes", Table::Align::kRight}, {"for example"}, {"why"}});
  for (const InspectedHazard& row : inspection.hazards) {
    for (std::size_t i = 0; i < row.examples.size(); ++i) {
      table.AddRow({i == 0 ? row.hazard : "", i == 0 ? absl::StrCat(row.nodes) : "",
                    row.examples[i].node, row.examples[i].why});
    }
  }
  PrintText(table.ToString() + "\n");
}

void PrintWeights(const Inspection& inspection, bool all) {
  Table table({{"weight"},
               {"type"},
               {"shape"},
               {"bytes", Table::Align::kRight},
               {"role"},
               {"layer", Table::Align::kRight}});
  std::vector<LayerRow> rows;
  for (const InspectedWeight& row : inspection.weights) {
    rows.push_back({row.name,
                    row.layer,
                    {row.type, absl::StrCat("[", absl::StrJoin(row.shape, ","), "]"), row.role},
                    row.bytes});
  }
  std::vector<FoldedRow> lines = all ? Unfolded(rows) : FoldLayers(rows);
  std::stable_sort(lines.begin(), lines.end(),
                   [](const FoldedRow& a, const FoldedRow& b) { return a.bytes > b.bytes; });
  const std::size_t shown = all ? lines.size() : std::min(kWeightsShown, lines.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const FoldedRow& row = lines[i];
    table.AddRow({row.name, row.cells[0], row.cells[1], WithSeparators(row.bytes), row.cells[2],
                  row.layers});
  }
  PrintText(table.ToString());
  std::size_t left = 0;
  for (std::size_t i = shown; i < lines.size(); ++i) left += lines[i].rows;
  if (left > 0) Print("… and %zu smaller ones; --all shows them\n", left);
}

// The weights that lie on a grid, by grid.
void PrintLattices(const Inspection& inspection) {
  struct Row {
    std::string like;
    std::string held;
    int weights = 0;
    std::uint64_t bytes = 0;
    std::string example;
  };
  std::map<std::string, Row> rows;
  for (const InspectedWeight& weight : inspection.weights) {
    if (!weight.lattice) continue;
    Row& row = rows[ToString(*weight.lattice)];
    if (row.weights++ == 0) {
      const auto held = GridThatHolds(*weight.lattice, 8, 32);
      row.like = std::string(LikelySource(*weight.lattice));
      row.held = held ? ToString(*held) : "no format";
      row.example = weight.name;
    }
    row.bytes += weight.bytes;
  }
  if (rows.empty()) return;
  Table table({{"values lie on a grid of"},
               {"like"},
               {"weights", Table::Align::kRight},
               {"bytes", Table::Align::kRight},
               {"held without loss by"},
               {"for example"}});
  for (const auto& [grid, row] : rows) {
    table.AddRow({grid, row.like, absl::StrCat(row.weights), WithSeparators(row.bytes), row.held,
                  row.example});
  }
  PrintText("\n" + table.ToString());
}

void PrintFindings(const Inspection& inspection) {
  for (const InspectedFinding& row : inspection.findings) {
    Print("%s: %s in %s%s\n", row.severity, row.kind, row.place,
          row.count > 1 ? absl::StrCat(" and ", row.count - 1, " more") : std::string());
  }
  if (inspection.findings.empty()) return;
  Print("'onnxquant check %s' says why, and what to do\n", inspection.path);
}

void PrintCheckpoint(const Inspection& inspection, bool all) {
  if (!inspection.checkpoint) return;
  PrintText("\n");
  for (const std::string& line : Words(*inspection.checkpoint)) PrintText(line + "\n");
  if (!all) return;
  Table table({{"tensor"}, {"type"}, {"in the graph"}, {"as"}, {"how"}});
  for (const ComparedTensor& tensor : inspection.checkpoint->tensors) {
    table.AddRow({tensor.name, tensor.type, NameOf(tensor.fate), absl::StrJoin(tensor.graph, ", "),
                  absl::StrJoin(tensor.how, ", ")});
  }
  PrintText("\n" + table.ToString());
}

// What training made and the graph has not got is a fault.
absl::Status Verdict(const Inspection& inspection) {
  if (!inspection.checkpoint || !inspection.checkpoint->Lost()) return absl::OkStatus();
  int lost = 0;
  for (const ComparedTensor& tensor : inspection.checkpoint->tensors) lost += tensor.Lost() ? 1 : 0;
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat(inspection.path, ": ", lost, " of the checkpoint's tensors ",
                                lost == 1 ? "is" : "are", " not in the graph as trained"));
}

void InspectCommand::PrintInspection(const Inspection& inspection,
                                     const Surroundings& surroundings) const {
  Print("%s: %s, IR version %d, opsets %s%s%s\n", inspection.path,
        HumanBytes(inspection.file_bytes), inspection.ir_version,
        absl::StrJoin(inspection.opsets, ", "), inspection.producer.empty() ? "" : ", made by ",
        inspection.producer);
  for (const InspectedFile& file : inspection.files) {
    Print("external data: %s, %s, %d tensors\n", file.location, HumanBytes(file.bytes),
          file.tensors);
  }
  Print("%d layers; %d nodes: %s\n", inspection.layers, inspection.nodes, Counts(inspection.ops));
  Print("values: %s\n", Counts(inspection.value_types));
  if (!inspection.unknown_ops.empty()) {
    Print("operators that onnxquant does not know (they stay as they are): %s\n",
          absl::StrJoin(inspection.unknown_ops, ", "));
  }
  Print("\n");
  const bool all = all_ || surroundings.verbose();
  PrintValues("input", inspection.inputs, all);
  PrintValues("output", inspection.outputs, all);
  PrintRoles(inspection);
  PrintHazards(inspection);
  PrintWeights(inspection, all);
  PrintLattices(inspection);
  PrintFindings(inspection);
  PrintCheckpoint(inspection, all);
}

absl::Status InspectCommand::Run(const Surroundings& surroundings) const {
  if (!IsFolder(model_)) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Inspection inspection, InspectModel(model_, checkpoint_));
    if (json_) {
      PrintText(ToJson(inspection));
    } else {
      PrintInspection(inspection, surroundings);
    }
    return Verdict(inspection);
  }
  ONNXQUANT_RETURN_IF_ERROR(RefuseWhatIsOfOne(model_, checkpoint_.empty() ? "" : "--checkpoint"));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Session> sessions, FindSessions(model_));
  std::vector<std::string> documents;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Inspection inspection, InspectModel(sessions[i].path, ""));
    if (json_) {
      documents.push_back(ToJson(inspection));
      continue;
    }
    if (i > 0) Print("\n");
    PrintInspection(inspection, surroundings);
  }
  if (json_) PrintJsonArray(documents);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewInspect() {
  return std::make_unique<InspectCommand>();
}

}  // namespace onnxquant::cli
