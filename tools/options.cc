#include "tools/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"

namespace onnxquant::cli {
namespace {

// CLI11 alone reads "-1" as a very large size, and names the types of C++ where it cannot read
// "1e9" or "1.5G".
template <typename Size>
CLI::Option* AddAnySize(CLI::App& app, const std::string& name, Size& size,
                        const std::string& help) {
  const auto whole = [](std::string& text) -> std::string {
    const auto unit = std::find_if_not(text.begin(), text.end(), absl::ascii_isdigit);
    const bool letters = std::all_of(unit, text.end(), absl::ascii_isalpha);
    if (unit != text.begin() && letters) return "";
    return absl::StrCat("'", text,
                        "' is no size: a whole number, then k, M, G or T for thousands, ",
                        "Ki, Mi, Gi or Ti for 1024s, such as 1900M");
  };
  return app.add_option(name, size, help)
      ->transform(CLI::AsSizeValue(true))
      ->transform(CLI::Validator(whole, ""));  // before the above
}

bool Given(const CLI::App& app, const char* flag) {
  const CLI::Option* option = app.get_option_no_throw(flag);
  return option != nullptr && option->count() > 0 && option->as<bool>();
}

}  // namespace

CLI::Option* AddModel(CLI::App& app, std::string& model, bool or_folder) {
  return app
      .add_option("MODEL", model,
                  or_folder ? "the ONNX model (external data beside it), or a folder of models"
                            : "the ONNX model (external data beside it)")
      ->type_name("FILE");
}

CLI::Option* AddSize(CLI::App& app, const std::string& name, std::uint64_t& size,
                     const std::string& help) {
  return AddAnySize(app, name, size, help);
}

CLI::Option* AddSize(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& size,
                     const std::string& help) {
  return AddAnySize(app, name, size, help);
}

CLI::Option* AddPolicy(CLI::App& app, PlanOptions& plan) {
  CLI::Option* policy =
      app.add_option("-p,--policy", plan.policy,
                     "a built-in policy's name (see 'onnxquant policies'), or a YAML file")
          ->type_name("NAME|FILE");
  app.add_option("-d,--dtype", plan.dtypes, "only these of the policy's outputs: fp16,q4,q4f16")
      ->option_text("DTYPE,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--set", plan.rules,
                 "append a rule: 'match: {role: norm}, compute: float32'; repeatable")
      ->option_text("RULE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--ranges", plan.ranges,
                 "measured ranges (JSON), for rules that ask for them: range, residual")
      ->type_name("FILE");
  app.add_option("--calibration", plan.calibration,
                 "statistics that 'onnxquant calibrate' made, for method: gptq")
      ->type_name("FILE");
  return policy;
}

void AddThreadsAndMemory(CLI::App& app, int& threads, std::uint64_t& memory) {
  app.add_option("-j,--threads", threads, "worker threads (default: one per core)")
      ->option_text("N")
      ->check(CLI::Range(1, 1024));
  AddSize(app, "--memory", memory,
          "working buffers of all threads: 512M, 2G (decimal) or 512Mi (binary)")
      ->default_str("128M")
      ->option_text("SIZE (128M)");
}

absl::StatusOr<Part> ParsePart(const std::string& text) {
  const std::vector<std::string> numbers = absl::StrSplit(text, '/');
  Part part;
  if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &part.number) ||
      !absl::SimpleAtoi(numbers[1], &part.of)) {
    return UsageError("--part: found '", text, "'; expected NUMBER/PARTS, such as 3/8");
  }
  return part;
}

void AddReport(CLI::App& app, std::string& report) {
  app.add_option("--report", report,
                 "write all of it to a file: a page to look at (.html), or JSON (any other ending)")
      ->type_name("FILE");
}

void AddForce(CLI::App& app, bool& force, const char* help) {
  app.add_flag("-f,--force", force, help);
}

void AddJson(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "print JSON");
}

void AddVerbosity(CLI::App& app) {
  // With a callback they read their value, and refuse --quiet=loud.
  app.add_flag_callback(
      "-q,--quiet", [] {}, "print errors only");
  app.add_flag_callback(
      "-v,--verbose", [] {}, "print more");
}

std::optional<Verbosity> VerbosityOf(const CLI::App& app) {
  if (Given(app, "--verbose")) return Verbosity::kVerbose;
  if (Given(app, "--quiet")) return Verbosity::kQuiet;
  return std::nullopt;
}

CLI::Option* ConversionOptions::Add(CLI::App& app) {
  CLI::Option* option =
      app.add_option("MODEL", model,
                     "the ONNX model (external data beside it), or a folder of models that belong "
                     "together")
          ->type_name("FILE");
  plan.policy = kAutoPolicy;
  AddPolicy(app, plan)->option_text("NAME|FILE (auto: by the model's family)");
  app.add_option("--session", sessions,
                 "of a folder of models: another policy, or 'skip', for those of a name: "
                 "'encoder*=fp16', 'embed_tokens=skip'; repeatable, the last that fits decides")
      ->option_text("NAME=POLICY[:DTYPE,...]")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("-o,--output", plan.output,
                 "folder for the outputs, or the file of a single one (default: beside MODEL)")
      ->type_name("DIR|NAME.onnx");
  app.add_option("--target", plan.targets,
                 "where the outputs are to run, in place of the policy's own targets: webgpu, "
                 "transformers.js@4.3 (see 'onnxquant targets'); repeatable")
      ->option_text("NAME[@VERSION],...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--io", plan.io,
                 "the type of float inputs and outputs, in place of all that the policy says of "
                 "them; keep: each as in MODEL. Logits become float32 unless they are kept, or "
                 "--set names them")
      ->option_text("float32|float16|bfloat16|keep");
  AddSize(app, "--max-shard", plan.max_shard,
          "the largest data file: browsers need less than 2G, others bear more; 512Mi is binary")
      ->default_str("1900M")
      ->option_text("SIZE (1900M)");
  app.add_option(
         "--max-growth", plan.max_growth,
         "the most an output may take, in multiples of MODEL: what shares data there may not here")
      ->check(CLI::Range(1.0, 1e9))
      ->option_text("X (8)");
  app.add_flag_callback(
      "--no-config", [this] { plan.update_config = false; }, "leave config.json as it is");
  return option;
}

void RuntimeOptions::Add(CLI::App& app) {
  app.add_option("--seed", seed, "of the model's own text and of made-up inputs")->type_name("N");
  app.add_option("--dim", dims, "size of an open dimension of the inputs: batch=4")
      ->option_text("NAME=SIZE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--onnxruntime", library,
                 "ONNX Runtime's shared library (default: ONNXQUANT_ONNXRUNTIME, or the Python "
                 "package that scripts/setup.sh installed)")
      ->type_name("LIB");
}

void AddInputs(CLI::App& app, std::vector<std::string>& inputs) {
  app.add_option("--inputs", inputs,
                 "arrays to run on instead of tokens or made-up ones, by the names of the inputs: "
                 "a .npz file a run, a .npy file for a model with one input, or a folder of them; "
                 "repeatable")
      ->option_text("FILE|DIR")
      ->allow_extra_args(false)
      ->take_all();
}

void RunOptions::Add(CLI::App& app) {
  app.add_option("-t,--tokens", tokens,
                 "token ids: a .npy, .jsonl or text file, or 'self': the model writes its own text")
      ->type_name("FILE|self");
  app.add_option("--count", count, "read only so many tokens (default: all; self: 256)")
      ->type_name("N");
  app.add_option("--chunk", chunk, "tokens a step")
      ->check(CLI::Range(1, 65536))
      ->option_text("N (64)");
  AddInputs(app, inputs);
  runtime.Add(app);
  AddSize(app, "--memory", memory,
          "what is held at once, above which the models run again for the rest: 512M, 2G, 512Mi")
      ->option_text("SIZE");
}

void ProviderOptions::Add(CLI::App& app, const char* who) {
  app.add_option("--provider", providers,
                 absl::StrCat("where ", who,
                              ": cpu, webgpu, simulated (float16 hardware on the CPU), or others "
                              "by name; a comma between them"))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all()
      ->option_text("NAME,... (cpu)");
  app.add_option("--greedy", greedy, "tokens to continue the text by")->option_text("N (16)");
}

}  // namespace onnxquant::cli
