#include "lib/tune/tune_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/report/html.h"
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

class TuneCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  std::string Missing() const override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  absl::StatusOr<TuneOptions> Options(const Surroundings& surroundings) const;
  void PrintSummary(const TuneReport& report) const;

  TuneOptions options_;  // as far as options set its members themselves
  std::string tokens_;   // "": its default
  RuntimeOptions runtime_;
  std::string output_;
  std::string report_;  // its path; "": none
  std::string part_;    // "3/8"; "": all, and the choice
  bool front_ = false;
  bool confirm_ = true;
  bool force_ = false;
  bool json_ = false;
};

void TuneCommand::AddOptions(CLI::App& app) {
  AddModel(app, options_.model)->required();
  options_.plan.policy = kAutoPolicy;
  AddPolicy(app, options_.plan)->option_text("NAME|FILE (auto: by the model's family)");
  CLI::Option* bytes = AddSize(app, "--size", options_.size,
                               "of all files of the output: 200M (decimal), 190Mi (binary)")
                           ->option_text("SIZE");
  CLI::Option* kl = app.add_option("--max-kl", options_.max_kl,
                                   "the fewest bytes at no more than this predicted KL, in nats")
                        ->type_name("NATS")
                        ->check(CLI::NonNegativeNumber);
  bytes->excludes(kl);
  app.add_option("-o,--output", output_, "the policy file to write")->type_name("FILE");
  app.add_flag("--front", front_, "print what each size costs; without --size nothing else");
  app.add_option(
         "--format", options_.formats,
         "what weights may be stored in, as policies say it: "
         "'{format: int4, block: 16}'; repeatable (default: the output's, and int8, in such "
         "blocks, halves of them and, int8, of 128)")
      ->option_text("FORMAT")
      ->allow_extra_args(false)
      ->take_all();
  app.add_flag("--fast", options_.fast,
               "let products of 8-bit weights round their activations to 8 bits, where the output "
               "says accuracy_level: 4; faster, and it costs what their bits have won");
  app.add_option("-t,--tokens", tokens_,
                 "what costs are measured on: token ids, or 'self': the model writes its own text")
      ->option_text("FILE|self (self)");
  app.add_option("--count", options_.count, "tokens of it")
      ->check(CLI::Range(2, 1 << 20))
      ->option_text("N (128)");
  app.add_flag("--measure", options_.measure,
               "measure costs also where the calibration has gradients, which foretell them");
  app.add_option("--cache", options_.cache,
                 "keep what was measured in this file, and measure only what it lacks")
      ->type_name("FILE");
  app.add_option(
         "--part", part_,
         "find only the costs of this part of the weights, from 1 on, such as 3/8, and keep "
         "them with --cache for the run that chooses; parts may run at once")
      ->option_text("NUMBER/PARTS");
  app.add_flag_callback(
      "--no-confirm", [this] { confirm_ = false; },
      "do not measure at the end what the policy costs");
  runtime_.Add(app);
  AddThreadsAndMemory(app, options_.threads, options_.memory);
  AddReport(app, report_);
  AddForce(app, force_, "replace an existing policy file and report");
  AddJson(app, json_);
  AddVerbosity(app);
}

std::string TuneCommand::Missing() const {
  const bool chooses = options_.size || options_.max_kl;
  if (!chooses && !front_ && part_.empty()) return "--size, --max-kl, --front or --part";
  return chooses && output_.empty() && part_.empty() ? "-o" : "";
}

absl::StatusOr<TuneOptions> TuneCommand::Options(const Surroundings& surroundings) const {
  TuneOptions options = options_;
  if (!tokens_.empty()) options.tokens = tokens_;
  options.runner = RunnerOptionsOf(runtime_);
  options.factory = surroundings.factory;
  options.cancelled = surroundings.cancelled;
  options.progress = StepsOf(surroundings);
  if (!part_.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(options.part, ParsePart(part_));
  }
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(runtime_));
  return options;
}

std::string Kl(double kl) {
  return absl::StrFormat("%.4g", kl);
}

std::string Megabytes(std::uint64_t bytes) {
  return absl::StrFormat("%.1f", static_cast<double>(bytes) / 1e6);
}

// At most so many points, evenly spread in bytes.
std::vector<FrontPoint> Some(const std::vector<FrontPoint>& front) {
  constexpr std::size_t kShown = 24;
  std::vector<FrontPoint> some;
  if (front.empty()) return some;
  const double span = static_cast<double>(front.back().bytes - front.front().bytes);
  for (const FrontPoint& point : front) {
    const double next = static_cast<double>(front.front().bytes) +
                        span * static_cast<double>(some.size()) / (kShown - 1);
    if (static_cast<double>(point.bytes) >= next || &point == &front.back()) some.push_back(point);
  }
  return some;
}

void PrintFront(const Tuning& tuning) {
  Table table({{"MB", Align::kRight}, {"predicted KL", Align::kRight}});
  for (const FrontPoint& point : Some(tuning.front)) {
    table.AddRow({Megabytes(point.bytes), Kl(point.cost)});
  }
  PrintText(table.ToString() + "\n");
}

// How many weights of each role got which format.
void PrintChoice(const Tuning& tuning) {
  std::vector<std::string> roles;
  std::map<std::pair<std::string, std::string>, std::pair<int, double>> counts;
  for (const TunedWeight& weight : tuning.weights) {
    const std::string role = weight.role.empty() ? "-" : weight.role;
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
    auto& [count, cost] = counts[{role, ToString(*weight.set.weights)}];
    ++count;
    cost += weight.cost;
  }
  Table table(
      {{"role"}, {"stored as"}, {"weights", Align::kRight}, {"predicted KL", Align::kRight}});
  for (const std::string& role : roles) {
    for (const auto& [key, value] : counts) {
      if (key.first != role) continue;
      table.AddRow({role, key.second, absl::StrCat(value.first), Kl(value.second)});
    }
  }
  PrintText(table.ToString() + "\n");
}

void TuneCommand::PrintSummary(const TuneReport& report) const {
  const Tuning& tuning = report.tuning;
  if (!part_.empty()) {
    Print("%s: the costs of part %s are there, %d of them measured now\n", options_.cache, part_,
          tuning.measured);
    return;
  }
  if (!tuning.chosen_because.empty()) {
    Print("policy %s: %s\n", tuning.policy_name, tuning.chosen_because);
  }
  if (front_) PrintFront(tuning);
  if (tuning.policy.empty()) return;
  PrintChoice(tuning);
  Print("%s: %s, %s bytes, predicted KL %s", report.output, tuning.dtype,
        WithSeparators(tuning.bytes), Kl(tuning.kl));
  if (report.measured_kl) Print(", measured on other text %s", Kl(*report.measured_kl));
  Print(" (before: %s bytes%s)\n", WithSeparators(tuning.base_bytes),
        tuning.base_kl ? absl::StrCat(", predicted ", Kl(*tuning.base_kl)) : "");
}

absl::Status TuneCommand::Run(const Surroundings& surroundings) const {
  HoldInterrupts();  // it polls
  ONNXQUANT_ASSIGN_OR_RETURN(const TuneOptions options, Options(surroundings));
  const SingleOutput output{.path = output_, .force = force_, .waiting = surroundings.waiting()};
  std::vector<std::string> inputs;
  if (!report_.empty()) {
    inputs = FilesReadFor({options.model},
                          {options.plan.policy, options.plan.calibration, options.tokens, output_});
  }
  ONNXQUANT_ASSIGN_OR_RETURN(
      TextFile page, TextFile::Open(report_, force_, surroundings.waiting(), inputs, "--report"));
  ONNXQUANT_ASSIGN_OR_RETURN(const TuneReport report, TuneToFile(options, output, confirm_));
  const std::string json = ToJson(report);
  ONNXQUANT_RETURN_IF_ERROR(page.Write(
      IsHtmlName(report_) ? ToHtml({.plan = "", .ranges = "", .verification = "", .tuning = json})
                          : json));
  if (json_) {
    PrintText(json);
  } else if (!surroundings.quiet()) {
    PrintSummary(report);
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Command> NewTune() {
  return std::make_unique<TuneCommand>();
}

}  // namespace onnxquant::cli
