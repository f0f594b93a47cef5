#include "lib/inspect/diff.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

constexpr std::size_t kNamesShown = 20;

class DiffCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  void PrintSummary(const ModelDiff& diff) const;
  void PrintGraphBytes(const ModelDiff& diff) const;

  std::string first_;
  std::string second_;
  bool json_ = false;
};

void DiffCommand::AddOptions(CLI::App& app) {
  app.add_option("A", first_, "the first ONNX model")->type_name("FILE")->required();
  app.add_option("B", second_, "the second ONNX model")->type_name("FILE")->required();
  AddJson(app, json_);
  AddVerbosity(app);
}

void PrintNames(const std::string& title, const std::vector<std::string>& names, bool all) {
  if (names.empty()) return;
  Print("%s (%zu):\n", title, names.size());
  const std::size_t shown = all ? names.size() : std::min(kNamesShown, names.size());
  for (std::size_t i = 0; i < shown; ++i) Print("  %s\n", names[i]);
  if (shown < names.size()) Print("  … and %zu more (--verbose)\n", names.size() - shown);
  Print("\n");
}

void PrintWeights(const ModelDiff& diff) {
  if (diff.weights.empty()) return;
  using Align = Table::Align;
  Table table({{"weight"},
               {"first"},
               {"second"},
               {"differing", Align::kRight},
               {"largest", Align::kRight},
               {"SQNR dB", Align::kRight},
               {"cosine", Align::kRight}});
  for (const WeightDifference& row : diff.weights) {
    if (!row.measured) {
      table.AddRow({row.name, row.first, row.second});
      continue;
    }
    table.AddRow({row.name, row.first, row.second, WithSeparators(row.differing),
                  absl::StrFormat("%.3g", row.max_abs), absl::StrFormat("%.1f", row.sqnr_db),
                  absl::StrFormat("%.7f", row.cosine)});
  }
  PrintText(table.ToString() + "\n");
}

void DiffCommand::PrintSummary(const ModelDiff& diff) const {
  if (diff.summary.empty()) return;
  Print("A: %s\nB: %s\n\nwhat matters:\n", first_, second_);
  for (const std::string& sentence : diff.summary) Print("- %s\n", sentence);
  Print("\n");
}

// What makes one .onnx file larger than the other.
void DiffCommand::PrintGraphBytes(const ModelDiff& diff) const {
  if (diff.first_bytes.bytes == diff.second_bytes.bytes) return;
  using Align = Table::Align;
  Table table({{"bytes of the .onnx file"},
               {first_, Align::kRight},
               {second_, Align::kRight},
               {"difference", Align::kRight},
               {"how many", Align::kRight}});
  const auto add = [&table](const char* what, std::uint64_t one, std::uint64_t two,
                            const std::string& counts) {
    const char* sign = two > one ? "+" : two < one ? "-" : "";
    table.AddRow({what, WithSeparators(one), WithSeparators(two),
                  absl::StrCat(sign, WithSeparators(two > one ? two - one : one - two)), counts});
  };
  for (const GraphPartName& part : GraphPartNames()) {
    const std::uint64_t one = diff.first_bytes.CountOf(part.part);
    const std::uint64_t two = diff.second_bytes.CountOf(part.part);
    add(part.meaning, diff.first_bytes.Of(part.part), diff.second_bytes.Of(part.part),
        one + two == 0 ? ""
        : one == two   ? WithSeparators(one)
                       : absl::StrCat(WithSeparators(one), " and ", WithSeparators(two)));
  }
  add("together", diff.first_bytes.total, diff.second_bytes.total, "");
  PrintText(table.ToString() + "\n");
}

absl::Status DiffCommand::Run(const Surroundings& surroundings) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const ModelDiff diff, DiffModels(first_, second_));
  if (json_) {
    PrintText(ToJson(diff));
    return absl::OkStatus();
  }
  const bool all = surroundings.verbose();
  PrintSummary(diff);
  for (const std::string& opset : diff.opsets) Print("opset %s\n", opset);
  if (!diff.ir_version.empty()) Print("IR version %s\n", diff.ir_version);
  if (!diff.ops.empty()) {
    Table table({{"operator"}, {first_, Table::Align::kRight}, {second_, Table::Align::kRight}});
    for (const OpDifference& row : diff.ops) {
      table.AddRow({row.op, absl::StrCat(row.first), absl::StrCat(row.second)});
    }
    PrintText(table.ToString() + "\n");
  }
  for (const std::string& line : diff.interface) Print("graph %s\n\n", line);
  std::vector<std::string> shapes;
  for (const ShapeDifference& row : diff.shapes) {
    shapes.push_back(absl::StrCat(row.value, ": ", row.first, " and ", row.second));
  }
  PrintNames("inputs and outputs of different shapes", shapes, all);
  std::vector<std::string> functions;
  for (const FunctionDifference& row : diff.functions) {
    functions.push_back(absl::StrCat(row.name, ": ", row.what));
  }
  PrintNames("functions that differ", functions, all);
  std::vector<std::string> types;
  for (const TypeDifference& row : diff.types) {
    types.push_back(absl::StrCat(row.value, ": ", row.first, " and ", row.second));
  }
  PrintNames("values of different types", types, all);
  PrintNames(absl::StrCat("nodes only in ", first_), diff.only_first_nodes, all);
  PrintNames(absl::StrCat("nodes only in ", second_), diff.only_second_nodes, all);
  std::vector<std::string> nodes;
  for (const NodeDifference& row : diff.nodes) {
    nodes.push_back(absl::StrCat(row.name, ": ", row.what));
  }
  PrintNames("nodes of one name that differ", nodes, all);
  PrintNames(absl::StrCat("weights only in ", first_), diff.only_first_weights, all);
  PrintNames(absl::StrCat("weights only in ", second_), diff.only_second_weights, all);
  PrintWeights(diff);
  PrintGraphBytes(diff);
  Print("%d weights are equal, %zu differ%s\n", diff.equal_weights, diff.weights.size(),
        diff.Empty() ? "; the models are equal" : "");
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewDiff() {
  return std::make_unique<DiffCommand>();
}

}  // namespace onnxquant::cli
