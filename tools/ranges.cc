#include "lib/trace/ranges.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/measure.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/text_file.h"

namespace onnxquant::cli {
namespace {

using Align = Table::Align;

constexpr double kMaskFill = 1e30;  // masks are filled with -3.4e38 or -1e38

class RangesCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  std::string model_;
  RunOptions run_;
  std::string output_;
  bool force_ = false;
  bool json_ = false;
  double margin_ = 2;  // how near to 65504 a value is shown
};

void RangesCommand::AddOptions(CLI::App& app) {
  AddModel(app, model_)->required();
  run_.Add(app);
  AddForce(app, force_, "replace an existing report");
  AddJson(app, json_);
  app.add_option("-o,--output", output_, "write the ranges as JSON, for --ranges")
      ->type_name("FILE");
  app.add_option("--margin", margin_,
                 "also print values whose peak comes within this factor of 65504")
      ->check(CLI::Range(1.0, 1e9))
      ->option_text("X (2)");
  AddVerbosity(app);
}

bool Overflows(const ValueRange& value) {
  return value.range.beyond_fp16 > 0;
}

// Float16 holds a mask as -65504 or -Inf, and an Inf as what it is: no sum of the model is lost.
bool IsMask(const ValueRange& value) {
  const Range& range = value.range;
  return range.peak > kMaskFill || (range.inf > 0 && range.peak <= kLargestHalf);
}

std::string LayerText(const ValueRange& value) {
  return value.layer < 0 ? "" : absl::StrCat(value.layer);
}

void PrintRanges(const RangeReport& ranges, double margin) {
  Table table({{"value"},
               {"operator"},
               {"layer", Align::kRight},
               {"peak", Align::kRight},
               {"of 65504", Align::kRight},
               {"p99.9", Align::kRight},
               {"beyond", Align::kRight}});
  const ValueRange* first = nullptr;
  std::size_t overflowing = 0;
  std::size_t near = 0;
  std::size_t masks = 0;
  for (const ValueRange& value : ranges.values) {
    const Range& range = value.range;
    if (range.peak * margin <= kLargestHalf && !Overflows(value)) continue;
    ++(IsMask(value) ? masks : Overflows(value) ? overflowing : near);
    if (first == nullptr && Overflows(value) && !IsMask(value)) first = &value;
    table.AddRow({value.name, value.op, LayerText(value), absl::StrFormat("%.5g", range.peak),
                  IsMask(value) ? "mask" : absl::StrFormat("%.2f", range.peak / kLargestHalf),
                  absl::StrFormat("%.3g", range.p999),
                  range.beyond_fp16 > 0 ? absl::StrFormat("%.2g", range.beyond_fp16) : ""});
  }
  if (overflowing + near + masks > 0) PrintText(table.ToString() + "\n");
  Print("%zu float values", ranges.values.size());
  if (ranges.tokens > 0) Print(" on %zu tokens", ranges.tokens);
  if (ranges.runs > 1) Print(" in %zu runs", ranges.runs);
  Print(": %zu %s beyond float16's 65504, %zu more %s within a factor of %g\n", overflowing,
        overflowing == 1 ? "goes" : "go", near, near == 1 ? "comes" : "come", margin);
  if (masks > 0) Print("%zu more %s filled as masks are\n", masks, masks == 1 ? "is" : "are");
  if (first != nullptr) {
    Print("the first is '%s' (%s%s), up to %.5g\n", first->name, first->node,
          first->layer < 0 ? std::string() : absl::StrCat(", layer ", first->layer),
          first->range.peak);
  }
}

absl::Status RangesCommand::Run(const Surroundings& surroundings) const {
  HoldInterrupts();  // it polls
  RangesOptions options;
  options.model = model_;
  options.tokens = run_.tokens;
  options.count = run_.count;
  options.chunk = run_.chunk;
  if (run_.memory > 0) options.memory = run_.memory;
  options.runner = RunnerOptionsOf(run_.runtime);
  options.factory = surroundings.factory;
  options.cancelled = CancelledOf(surroundings);
  options.progress = StepsOf(surroundings);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(run_.runtime));
  options.inputs.files = run_.inputs;
  std::vector<std::string> inputs;
  if (!output_.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(inputs, FilesReadToRun({model_}, run_));
  }
  ONNXQUANT_ASSIGN_OR_RETURN(TextFile file,
                             TextFile::Open(output_, force_, surroundings.waiting(), inputs));
  ONNXQUANT_ASSIGN_OR_RETURN(const RangeReport ranges, MeasureRanges(options));
  PrintNotes(ranges.notes, surroundings);
  const std::string json = ToJson(ranges);
  if (json_) {
    PrintText(json);
  } else if (!surroundings.quiet()) {
    PrintRanges(ranges, margin_);
  }
  return file.Write(json);
}

}  // namespace

std::unique_ptr<Command> NewRanges() {
  return std::make_unique<RangesCommand>();
}

}  // namespace onnxquant::cli
