#include "lib/calibrate/calibrate_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/measure.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/progress.h"

namespace onnxquant::cli {
namespace {

using Align = Table::Align;

class CalibrateCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  std::string Missing() const override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  absl::StatusOr<CalibrationOptions> Options(const Surroundings& surroundings) const;
  void PrintReport(const CalibrationReport& report, const Surroundings& surroundings) const;

  CalibrationOptions options_;       // as far as options set its members themselves
  std::string tokens_;               // "": its default
  std::vector<std::string> inputs_;  // files of arrays
  RuntimeOptions runtime_;
  std::uint64_t memory_ = 0;        // 0: its default
  std::vector<std::string> merge_;  // files to add up instead of running a model
  std::string output_;
  KeepOptions keep_;
  bool force_ = false;
  bool json_ = false;
};

void CalibrateCommand::AddOptions(CLI::App& app) {
  CLI::Option* model = AddModel(app, options_.model);
  app.add_option("-o,--output", output_, "the file of statistics to write")
      ->type_name("FILE")
      ->required();
  app.add_option("-t,--tokens", tokens_,
                 "token ids: a .npy, .jsonl or text file, or 'self': the model writes its own text")
      ->option_text("FILE|self (self)");
  app.add_option("--count", options_.count, "read only so many tokens of a file (default: all)")
      ->type_name("N");
  app.add_option("--sequences", options_.sequences,
                 "texts that the model writes itself, or runs on made-up inputs")
      ->check(CLI::Range(1, 1 << 20))
      ->option_text("N (96)");
  app.add_option("--length", options_.length, "tokens of each text that the model writes")
      ->check(CLI::Range(1, 1 << 20))
      ->option_text("N (256)");
  app.add_option("--batch", options_.batch,
                 "texts written side by side, at most: more are faster and take more memory")
      ->check(CLI::Range(1, 4096))
      ->option_text("N (32)");
  app.add_option("--gradients", options_.gradients,
                 "read so many texts backwards, too, for gradients, which weigh tokens for "
                 "method: gptq; 24 is a good number")
      ->check(CLI::Range(0, 1 << 20))
      ->option_text("N (0)");
  AddInputs(app, inputs_);
  runtime_.Add(app);
  AddSize(app, "--memory", memory_,
          "for sums, above which the model runs again for the rest: 512M, 2G, 512Mi")
      ->option_text("SIZE (4Gi)");
  app.add_option("--merge", merge_,
                 "add up these files, of one model and different texts, instead of running one")
      ->option_text("FILE FILE ...")
      ->expected(2, 1 << 16)
      ->excludes(model);
  app.add_option(
         "--keep-every", keep_.every,
         "between texts, keep what was summed so far in FILE.unfinished, from which the next "
         "run goes on, when so many seconds have passed")
      ->option_text("SECONDS (60)")
      ->check(CLI::Range(0.0, 1e9));
  AddForce(app, force_, "replace an existing file");
  AddJson(app, json_);
  AddVerbosity(app);
}

std::string CalibrateCommand::Missing() const {
  return options_.model.empty() && merge_.empty() ? "MODEL, or --merge," : "";
}

void PrintWarnings(const std::vector<std::string>& warnings, const Surroundings& surroundings) {
  if (surroundings.quiet()) return;
  for (const std::string& warning : warnings) PrintError("warning: %s\n", warning);
}

void CalibrateCommand::PrintReport(const CalibrationReport& report,
                                   const Surroundings& surroundings) const {
  if (json_) return PrintText(ToJson(report));
  if (surroundings.quiet()) return;
  if (surroundings.verbose()) {
    Table table({{"value"}, {"elements", Align::kRight}, {"rows", Align::kRight}});
    for (const MomentsInfo& value : report.values) {
      table.AddRow({value.value, absl::StrCat(value.size), WithSeparators(value.count)});
    }
    PrintText(table.ToString() + "\n");
  }
  const bool runs = report.metadata.at("tokens") == "0";
  Print("%s: statistics of %zu values from %s %s, %s\n", report.output, report.values.size(),
        report.metadata.at(runs ? "sequences" : "tokens"), runs ? "runs" : "tokens",
        HumanBytes(report.bytes));
}

void PrintUnobserved(const CalibrationPlan& plan, const Surroundings& surroundings) {
  constexpr std::size_t kShown = 5;
  if (surroundings.quiet()) return;
  const std::size_t shown =
      surroundings.verbose() ? plan.others.size() : std::min(kShown, plan.others.size());
  for (std::size_t i = 0; i < shown; ++i) {
    PrintError("not observed: %s: %s\n", plan.others[i].node, plan.others[i].reason);
  }
  if (shown < plan.others.size()) {
    PrintError("not observed: %zu more (-v shows them)\n", plan.others.size() - shown);
  }
}

absl::StatusOr<CalibrationOptions> CalibrateCommand::Options(
    const Surroundings& surroundings) const {
  CalibrationOptions options = options_;
  if (!tokens_.empty()) options.tokens = tokens_;
  if (memory_ > 0) options.memory = memory_;
  options.runner = RunnerOptionsOf(runtime_);
  options.factory = surroundings.factory;
  options.tool = absl::StrCat("onnxquant ", ONNXQUANT_VERSION);
  options.cancelled = CancelledOf(surroundings);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(runtime_));
  options.inputs.files = inputs_;
  return options;
}

absl::Status CalibrateCommand::Run(const Surroundings& surroundings) const {
  HoldInterrupts();  // it polls
  const SingleOutput output{.path = output_, .force = force_, .waiting = surroundings.waiting()};
  if (!merge_.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const CalibrationReport merged, MergeToFile(merge_, output));
    PrintReport(merged, surroundings);
    return absl::OkStatus();
  }
  ONNXQUANT_ASSIGN_OR_RETURN(CalibrationOptions options, Options(surroundings));
  Progress progress(!surroundings.quiet(), Progress::Unit::kTokens);
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.Update(done, total); };
  KeepOptions keep = keep_;
  keep.notice = [&](const std::string& sentence) {
    progress.Finish();
    if (!surroundings.quiet()) PrintError("%s\n", sentence);
  };
  const absl::StatusOr<CalibrationReport> made =
      CalibrateToFile(options, output, keep,
                      [&](const CalibrationPlan& plan) { PrintUnobserved(plan, surroundings); });
  progress.Finish();
  if (!made.ok()) return made.status();
  PrintWarnings(made->warnings, surroundings);
  PrintReport(*made, surroundings);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewCalibrate() {
  return std::make_unique<CalibrateCommand>();
}

}  // namespace onnxquant::cli
