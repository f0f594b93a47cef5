#include "lib/inspect/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
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
  std::string model_;
  std::string checkpoint_;
  bool json_ = false;
};

void InspectCommand::AddOptions(CLI::App& app) {
  AddModel(app, model_)->required();
  app.add_option("--checkpoint", checkpoint_,
                 "compare the weights with those of the checkpoint that it was exported from: a "
                 ".safetensors or .gguf file, or a folder; ends with status 5 where some are lost")
      ->type_name("PATH");
  AddJson(app, json_);
  AddVerbosity(app);
}

void PrintValues(const char* title, const std::vector<InspectedValue>& values) {
  Table table({{title}, {"type"}, {"shape"}, {"role"}});
  for (const InspectedValue& value : values) {
    table.AddRow({value.name, value.type, value.shape, value.role});
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
  const std::size_t shown =
      all ? inspection.weights.size() : std::min(kWeightsShown, inspection.weights.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const InspectedWeight& row = inspection.weights[i];
    table.AddRow({row.name, row.type, absl::StrCat("[", absl::StrJoin(row.shape, ","), "]"),
                  WithSeparators(row.bytes), row.role,
                  row.layer < 0 ? "" : absl::StrCat(row.layer)});
  }
  PrintText(table.ToString());
  if (shown < inspection.weights.size()) {
    Print("… and %zu smaller ones; --verbose shows them all\n", inspection.weights.size() - shown);
  }
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

absl::Status InspectCommand::Run(const Surroundings& surroundings) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const Inspection inspection, InspectModel(model_, checkpoint_));
  if (json_) {
    PrintText(ToJson(inspection));
    return Verdict(inspection);
  }
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
  PrintValues("input", inspection.inputs);
  PrintValues("output", inspection.outputs);
  PrintRoles(inspection);
  PrintHazards(inspection);
  PrintWeights(inspection, surroundings.verbose());
  PrintLattices(inspection);
  PrintFindings(inspection);
  PrintCheckpoint(inspection, surroundings.verbose());
  return Verdict(inspection);
}

}  // namespace

std::unique_ptr<Command> NewInspect() {
  return std::make_unique<InspectCommand>();
}

}  // namespace onnxquant::cli
