#include "lib/verify/verify.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
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
constexpr char kTick[] = "✓";
constexpr char kCross[] = "✗";

class VerifyCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  std::string reference_;
  std::vector<std::string> candidates_;
  RunOptions run_;
  ProviderOptions where_;
  bool layers_ = false;  // compare inner values
  Thresholds thresholds_;
  std::string report_;
  bool force_ = false;
  bool json_ = false;
};

void VerifyCommand::AddOptions(CLI::App& app) {
  app.add_option("REF", reference_, "the ONNX model that is right")->type_name("FILE")->required();
  app.add_option("CAND", candidates_, "ONNX models to compare with it")
      ->type_name("FILE")
      ->required();
  run_.Add(app);
  AddForce(app, force_, "replace an existing report");
  AddJson(app, json_);
  where_.Add(app, "the candidates run");
  app.add_flag("--layers", layers_,
               "compare the values inside, too, and show by layer how far they part");
  app.add_option("--max-kl", thresholds_.max_kl, "fail above this mean KL divergence, in nats")
      ->type_name("NATS");
  app.add_option("--min-top1", thresholds_.min_top1, "fail below this share of equal first choices")
      ->option_text("SHARE")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--max-error", thresholds_.max_error,
                 "models without logits: fail above this error of an output")
      ->type_name("X");
  AddReport(app, report_);
  AddVerbosity(app);
}

std::string Short(double value) {
  return std::isnan(value) ? "-" : absl::StrFormat("%.3g", value);
}

std::string Percent(double share) {
  return std::isnan(share) ? "-" : absl::StrFormat("%.2f %%", 100 * share);
}

std::string PerplexityText(const Perplexity& perplexity) {
  if (std::isnan(perplexity.value)) return "-";
  if (std::isnan(perplexity.low)) return absl::StrFormat("%.3f", perplexity.value);
  return absl::StrFormat("%.3f (%.2f–%.2f)", perplexity.value, perplexity.low, perplexity.high);
}

const char* Mark(const CandidateResult& result) {
  return result.passed() ? kTick : kCross;
}

void PrintLanguage(const Verification& verification) {
  Table table({{"candidate"},
               {"on"},
               {""},
               {"KL mean", Align::kRight},
               {"median", Align::kRight},
               {"p99", Align::kRight},
               {"p99.9", Align::kRight},
               {"top-1", Align::kRight},
               {"top-5", Align::kRight},
               {"perplexity (95 %)", Align::kRight},
               {"max error", Align::kRight},
               {"greedy", Align::kRight},
               {"ms/token", Align::kRight},
               {"NaN", Align::kRight},
               {"Inf", Align::kRight}});
  for (const CandidateResult& result : verification.results) {
    if (!result.language.has_value()) continue;
    const Summary& figures = *result.language;
    table.AddRow(
        {result.model, result.provider, Mark(result), Short(figures.kl_mean),
         Short(figures.kl_median), Short(figures.kl_p99), Short(figures.kl_p999),
         Percent(figures.top1), Percent(figures.top5), PerplexityText(figures.perplexity),
         Short(figures.largest_error),
         result.greedy ? absl::StrCat(result.greedy->same, "/", result.greedy->steps) : "-",
         result.greedy && result.greedy->seconds_per_token > 0
             ? absl::StrFormat("%.1f", result.greedy->seconds_per_token * 1e3)
             : "-",
         WithSeparators(figures.nan), WithSeparators(figures.inf)});
  }
  PrintText(table.ToString() + "\n");
}

void PrintOutputs(const Verification& verification) {
  Table table({{"candidate"},
               {"on"},
               {""},
               {"output"},
               {"max error", Align::kRight},
               {"mean error", Align::kRight},
               {"cosine", Align::kRight},
               {"NaN", Align::kRight},
               {"Inf", Align::kRight}});
  for (const CandidateResult& result : verification.results) {
    for (const OutputComparison& output : result.outputs) {
      table.AddRow({result.model, result.provider, Mark(result), output.name,
                    Short(output.max_error), Short(output.mean_error),
                    absl::StrFormat("%.7f", output.cosine), WithSeparators(output.nan),
                    WithSeparators(output.inf)});
    }
  }
  PrintText(table.ToString() + "\n");
}

// Candidates by providers, where there is more than one of each.
void PrintMatrix(const Verification& verification, const std::vector<std::string>& providers) {
  if (providers.size() < 2) return;
  std::vector<Table::Column> columns = {{"candidate"}};
  for (const std::string& provider : providers) columns.push_back({provider});
  Table table(columns);
  for (std::size_t i = 0; i < verification.results.size(); i += providers.size()) {
    std::vector<std::string> row = {verification.results[i].model};
    for (std::size_t j = 0; j < providers.size(); ++j) {
      row.push_back(Mark(verification.results[i + j]));
    }
    table.AddRow(row);
  }
  PrintText(table.ToString() + "\n");
}

// What each layer hands on, and its worst value.
void PrintLayers(const Verification& verification) {
  for (const CandidateResult& result : verification.results) {
    if (!result.values_error.empty()) {
      Print("%s on %s: inner values cannot be compared: %s\n\n", result.model, result.provider,
            result.values_error);
    }
    if (result.values.empty()) continue;
    Table table({{"layer", Align::kRight},
                 {"last value"},
                 {"SQNR dB", Align::kRight},
                 {"cosine", Align::kRight},
                 {"worst value"},
                 {"SQNR dB", Align::kRight},
                 {"NaN, Inf", Align::kRight}});
    for (const LayerError& layer : ByLayer(result.values)) {
      const ValueError& last = result.values[layer.last];
      const ValueError& worst = result.values[layer.worst];
      table.AddRow({layer.layer < 0 ? "-" : absl::StrCat(layer.layer), last.name,
                    absl::StrFormat("%.1f", last.sqnr), absl::StrFormat("%.7f", last.cosine),
                    worst.name, absl::StrFormat("%.1f", worst.sqnr), WithSeparators(worst.bad)});
    }
    Print("%s on %s, inside:\n", result.model, result.provider);
    PrintText(table.ToString() + "\n");
  }
}

void PrintFaults(const Verification& verification) {
  for (const CandidateResult& result : verification.results) {
    const std::string place = absl::StrCat(result.model, " on ", result.provider);
    if (!result.error.empty()) Print("%s: %s\n", place, result.error);
    if (!result.first_bad.empty()) Print("%s: %s\n", place, result.first_bad);
  }
}

void PrintVerification(const Verification& verification,
                       const std::vector<std::string>& providers) {
  bool language = false;
  bool outputs = false;
  for (const CandidateResult& result : verification.results) {
    language |= result.language.has_value();
    outputs |= !result.outputs.empty();
  }
  if (language) {
    Print("%zu tokens; reference %s, perplexity %s\n\n", verification.tokens,
          verification.reference, PerplexityText(verification.reference_perplexity));
    PrintLanguage(verification);
  }
  if (outputs) {
    if (verification.runs > 1) Print("%zu runs\n\n", verification.runs);
    PrintOutputs(verification);
  }
  PrintMatrix(verification, providers);
  PrintLayers(verification);
  PrintFaults(verification);
}

absl::Status Verdict(const Verification& verification) {
  if (verification.passed()) return absl::OkStatus();
  std::vector<std::string> lines;
  for (const CandidateResult& result : verification.results) {
    if (result.passed()) continue;
    lines.push_back(absl::StrCat(result.model, " on ", result.provider, ": ",
                                 absl::StrJoin(result.failures, "; ")));
  }
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat("verification failed: ", absl::StrJoin(lines, "\n  ")));
}

absl::Status VerifyCommand::Run(const Surroundings& surroundings) const {
  HoldInterrupts();  // it polls
  VerifyOptions options;
  options.reference = reference_;
  options.candidates = candidates_;
  options.providers = where_.providers;
  options.tokens = run_.tokens;
  options.count = run_.count;
  options.chunk = run_.chunk;
  options.greedy = where_.greedy;
  options.thresholds = thresholds_;
  options.layers = layers_;
  if (run_.memory > 0) options.memory = run_.memory;
  options.runner = RunnerOptionsOf(run_.runtime);
  options.factory = surroundings.factory;
  options.cancelled = CancelledOf(surroundings);
  options.progress = StepsOf(surroundings);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(run_.runtime));
  options.inputs.files = run_.inputs;
  std::vector<std::string> models = options.candidates;
  models.push_back(options.reference);
  std::vector<std::string> inputs;
  if (!report_.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(inputs, FilesReadToRun(models, run_));
  }
  ONNXQUANT_ASSIGN_OR_RETURN(
      TextFile report, TextFile::Open(report_, force_, surroundings.waiting(), inputs, "--report"));
  ONNXQUANT_ASSIGN_OR_RETURN(const Verification verification, onnxquant::Verify(options));
  PrintNotes(verification.notes, surroundings);
  const std::string json = ToJson(verification);
  if (json_) {
    PrintText(json);
  } else if (!surroundings.quiet()) {
    PrintVerification(verification, options.providers);
  }
  ONNXQUANT_RETURN_IF_ERROR(report.Write(
      IsHtmlName(report_) ? ToHtml({.plan = "", .ranges = "", .verification = json}) : json));
  return Verdict(verification);
}

}  // namespace

std::unique_ptr<Command> NewVerify() {
  return std::make_unique<VerifyCommand>();
}

}  // namespace onnxquant::cli
