#include "tools/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/policy_yaml.h"
#include "onnxquant/check.h"
#include "tools/argument_errors.h"
#include "tools/completion.h"

namespace onnxquant::cli {
namespace {

constexpr char kVersion[] = ONNXQUANT_VERSION;

constexpr char kFooter[] = R"(Examples:
  onnxquant --policy gemma-safe onnx/model.onnx
  onnxquant --policy gemma-web --dtype q4f16 -o web/onnx onnx/model.onnx
  onnxquant plan --policy gemma-web --why model.embed_tokens.weight onnx/model.onnx
  onnxquant check onnx/model_fp16.onnx
  onnxquant ranges model.onnx --tokens self -o ranges.json
  onnxquant calibrate model.onnx -o calibration.safetensors
  onnxquant tune --policy gemma-web --dtype q4f16 --size 200M -o mine.yaml model.onnx
  onnxquant verify model.onnx model_fp16.onnx --tokens text.npy --provider cpu,webgpu

Exit status: 0 done, 1 usage, 2 the model is bad or unsupported, 3 the policy is bad,
4 writing failed, 5 verification failed or check found faults, 130 interrupted.)";

const char kReportHelp[] =
    "write all of it to a file: a page to look at (.html), or JSON (any other ending)";

const char kShardHelp[] =
    "the largest data file: browsers need less than 2G, others bear more; 512Mi is binary";
const char kGrowthHelp[] =
    "the most an output may take, in multiples of MODEL: what shares data there may not here";
const char kBufferHelp[] = "working buffers of all threads: 512M, 2G (decimal) or 512Mi (binary)";
const char kHeldHelp[] =
    "what is held at once, above which the models run again for the rest: 512M, 2G, 512Mi";

// A size in bytes: CLI11 alone reads "-1" as a very large one, and names the types of C++ where it
// cannot read "1e9" or "1.5G".
CLI::Option* AddSize(CLI::App& app, const std::string& name, std::uint64_t& size,
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

constexpr char kOneModel[] = "the ONNX model (external data beside it)";
constexpr char kModels[] =
    "the ONNX model (external data beside it), or a folder of models that belong together";

void AddModel(CLI::App& app, Arguments& arguments, bool required, const char* help = kOneModel) {
  CLI::Option* option = app.add_option("MODEL", arguments.model, help)->type_name("FILE");
  if (required) option->required();
}

// What decides.
void AddPolicyOptions(CLI::App& app, PlanOptions& plan) {
  app.add_option("-p,--policy", plan.policy,
                 "a built-in policy's name (see 'onnxquant policies') or a YAML file")
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
}

void AddPlanOptions(CLI::App& app, Arguments& arguments) {
  PlanOptions& plan = arguments.plan;
  AddPolicyOptions(app, plan);
  app.add_option("--session", arguments.sessions,
                 "of a folder of models: another policy, or 'skip', for those of a name: "
                 "'encoder*=fp16', 'embed_tokens=skip'; repeatable, the last that fits decides")
      ->option_text("NAME=POLICY[:DTYPE,...]")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("-o,--output", plan.output,
                 "folder for the outputs, or the file of a single one (default: beside MODEL)")
      ->type_name("DIR|NAME.onnx");
  AddSize(app, "--max-shard", plan.max_shard, kShardHelp)
      ->default_str("1900M")
      ->option_text("SIZE (1900M)");
  app.add_option("--max-growth", plan.max_growth, kGrowthHelp)
      ->check(CLI::Range(1.0, 1e9))
      ->option_text("X (8)");
  app.add_flag_callback(
      "--no-config", [&] { plan.update_config = false; }, "leave config.json as it is");
}

void AddVerbosity(CLI::App& app, Arguments& arguments) {
  app.add_flag_callback(
      "-q,--quiet", [&] { arguments.verbosity = Verbosity::kQuiet; }, "print errors only");
  app.add_flag_callback(
      "-v,--verbose", [&] { arguments.verbosity = Verbosity::kVerbose; }, "print more");
}

void AddThreadsAndMemory(CLI::App& app, ApplyOptions& apply) {
  app.add_option("-j,--threads", apply.threads, "worker threads (default: one per core)")
      ->option_text("N")
      ->check(CLI::Range(1, 1024));
  AddSize(app, "--memory", apply.memory, kBufferHelp)
      ->default_str("128M")
      ->option_text("SIZE (128M)");
}

void AddConvertOptions(CLI::App& app, Arguments& arguments) {
  app.add_flag("-f,--force", arguments.apply.force, "replace existing outputs");
  AddThreadsAndMemory(app, arguments.apply);
  app.add_option("--report", arguments.report, kReportHelp)->type_name("FILE");
}

void AddSeedAndRuntime(CLI::App& app, MeasureArguments& measure) {
  app.add_option("--seed", measure.seed, "of the model's own text and of made-up inputs")
      ->type_name("N");
  app.add_option("--dim", measure.dims, "size of an open dimension of the inputs: batch=4")
      ->option_text("NAME=SIZE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--onnxruntime", measure.library,
                 "ONNX Runtime's shared library (default: ONNXQUANT_ONNXRUNTIME, or the Python "
                 "package that scripts/setup.sh installed)")
      ->type_name("LIB");
}

void AddRunOptions(CLI::App& app, Arguments& arguments) {
  MeasureArguments& measure = arguments.measure;
  app.add_option("-t,--tokens", measure.tokens,
                 "token ids: a .npy, .jsonl or text file, or 'self': the model writes its own text")
      ->type_name("FILE|self");
  app.add_option("--count", measure.count, "read only so many tokens (default: all; self: 256)")
      ->type_name("N");
  app.add_option("--chunk", measure.chunk, "tokens a step")
      ->check(CLI::Range(1, 65536))
      ->option_text("N (64)");
  AddSeedAndRuntime(app, measure);
  AddSize(app, "--memory", measure.memory, kHeldHelp)->option_text("SIZE");
}

void AddMeasureOptions(CLI::App& app, Arguments& arguments) {
  AddRunOptions(app, arguments);
  app.add_flag("-f,--force", arguments.measure.force, "replace an existing report");
  app.add_flag("--json", arguments.json, "print JSON");
}

void AddCalibrateOptions(CLI::App& app, Arguments& arguments) {
  MeasureArguments& measure = arguments.measure;
  CalibrateArguments& calibrate = arguments.calibrate;
  app.add_option("-o,--output", arguments.report, "the file of statistics to write")
      ->type_name("FILE")
      ->required();
  app.add_option("-t,--tokens", measure.tokens,
                 "token ids: a .npy, .jsonl or text file, or 'self': the model writes its own text")
      ->option_text("FILE|self (self)");
  app.add_option("--count", measure.count, "read only so many tokens of a file (default: all)")
      ->type_name("N");
  app.add_option("--sequences", calibrate.sequences,
                 "texts that the model writes itself, or runs on made-up inputs")
      ->check(CLI::Range(1, 1 << 20))
      ->option_text("N (96)");
  app.add_option("--length", calibrate.length, "tokens of each text that the model writes")
      ->check(CLI::Range(1, 1 << 20))
      ->option_text("N (256)");
  app.add_option("--batch", calibrate.batch,
                 "texts written side by side, at most: more are faster and take more memory")
      ->check(CLI::Range(1, 4096))
      ->option_text("N (96)");
  app.add_option("--gradients", calibrate.gradients,
                 "read so many texts backwards, too, for gradients, which weigh tokens for "
                 "method: gptq; 24 is a good number")
      ->check(CLI::Range(0, 1 << 20))
      ->option_text("N (0)");
  AddSeedAndRuntime(app, measure);
  AddSize(app, "--memory", measure.memory,
          "for sums, above which the model runs again for the rest: 512M, 2G, 512Mi")
      ->option_text("SIZE (4Gi)");
  app.add_option("--merge", calibrate.merge,
                 "add up these files, of one model and different texts, instead of running one")
      ->option_text("FILE FILE ...")
      ->expected(2, 1 << 16)
      ->excludes(app.get_option("MODEL"));
  app.add_flag("-f,--force", measure.force, "replace an existing file");
  app.add_flag("--json", arguments.json, "print JSON");
}

void AddTuneOptions(CLI::App& app, Arguments& arguments, std::uint64_t& size) {
  MeasureArguments& measure = arguments.measure;
  TuneArguments& tune = arguments.tune;
  AddPolicyOptions(app, arguments.plan);
  CLI::Option* bytes =
      AddSize(app, "--size", size, "of all files of the output: 200M (decimal), 190Mi (binary)")
          ->option_text("SIZE");
  CLI::Option* kl = app.add_option("--max-kl", measure.max_kl,
                                   "the fewest bytes at no more than this predicted KL, in nats")
                        ->type_name("NATS")
                        ->check(CLI::NonNegativeNumber);
  bytes->excludes(kl);
  app.add_option("-o,--output", arguments.report, "the policy file to write")->type_name("FILE");
  app.add_flag("--front", tune.front, "print what each size costs; without --size nothing else");
  app.add_option("--format", tune.formats,
                 "what weights may be stored in, as policies say it: "
                 "'{format: int4, block: 16}'; repeatable (default: the output's, and int8)")
      ->option_text("FORMAT")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("-t,--tokens", measure.tokens,
                 "what costs are measured on: token ids, or 'self': the model writes its own text")
      ->option_text("FILE|self (self)");
  app.add_option("--count", measure.count, "tokens of it")
      ->check(CLI::Range(2, 1 << 20))
      ->option_text("N (128)");
  app.add_flag("--measure", tune.measure,
               "measure costs also where the calibration has gradients, which foretell them");
  app.add_option("--cache", tune.cache,
                 "keep what was measured in this file, and measure only what it lacks")
      ->type_name("FILE");
  app.add_flag_callback(
      "--no-confirm", [&] { tune.confirm = false; },
      "do not measure at the end what the policy costs");
  AddSeedAndRuntime(app, measure);
  AddThreadsAndMemory(app, arguments.apply);
  app.add_flag("-f,--force", measure.force, "replace an existing policy file");
  app.add_flag("--json", arguments.json, "print JSON");
}

void AddProviders(CLI::App& app, MeasureArguments& measure, const char* who) {
  app.add_option("--provider", measure.providers,
                 absl::StrCat("where ", who,
                              ": cpu, webgpu, simulated (float16 hardware on the CPU), or others "
                              "by name; a comma between them"))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all()
      ->option_text("NAME,... (cpu)");
  app.add_option("--greedy", measure.greedy, "tokens to continue the text by")
      ->option_text("N (16)");
}

void AddVerifyOptions(CLI::App& app, Arguments& arguments) {
  MeasureArguments& measure = arguments.measure;
  AddProviders(app, measure, "the candidates run");
  app.add_flag("--layers", measure.layers,
               "compare the values inside, too, and show by layer how far they part");
  app.add_option("--max-kl", measure.max_kl, "fail above this mean KL divergence, in nats")
      ->type_name("NATS");
  app.add_option("--min-top1", measure.min_top1, "fail below this share of equal first choices")
      ->option_text("SHARE")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--max-error", measure.max_error,
                 "models without logits: fail above this error of an output")
      ->type_name("X");
  app.add_option("--report", arguments.report, kReportHelp)->type_name("FILE");
}

void AddCheckOptions(CLI::App& app, Arguments& arguments) {
  app.add_option(
         "--target", arguments.target,
         "where the model shall run: webgpu, or cpu, which computes 16-bit graphs in float32")
      ->option_text("webgpu|cpu (webgpu)")
      ->check(CLI::IsMember({"webgpu", "cpu"}));
  app.add_option("--ranges", arguments.plan.ranges,
                 "measured ranges (JSON): they decide what the weights leave open")
      ->type_name("FILE");
  app.add_flag("--strict", arguments.strict, "warnings make exit status 5, too");
  app.add_flag(
      "--fix", arguments.fix,
      "convert the model as the check recommends; exit status 0 if what comes of it has no error");
  app.add_option("-o,--output", arguments.plan.output,
                 "folder for what --fix writes, or its file (default: 'fixed' beside MODEL)")
      ->type_name("DIR|NAME.onnx");
  app.add_flag("--json", arguments.json, "print JSON");
  app.add_option("--report", arguments.report, kReportHelp)->type_name("FILE");
  app.add_flag("-f,--force", arguments.apply.force, "replace existing outputs and reports");
  app.add_flag("--run", arguments.run,
               "run the model, too: does it load, give numbers, write more than one token?");
  AddProviders(app, arguments.measure, "--run runs it");
  AddRunOptions(app, arguments);
}

}  // namespace

Parsed ParseCommandLine(int argc, const char* const* argv) {
  Parsed parsed;
  Arguments& arguments = parsed.arguments;
  CLI::App app("Converts ONNX models to fewer bits, as a policy says, and keeps them right.",
               "onnxquant");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("onnxquant ") + kVersion);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  bool dry_run = false;
  AddModel(app, arguments, false, kModels);
  AddPlanOptions(app, arguments);
  AddConvertOptions(app, arguments);
  AddVerbosity(app, arguments);
  app.add_flag("-n,--dry-run", dry_run, "print the plan and write nothing, as 'onnxquant plan'");

  CLI::App* plan =
      app.add_subcommand("plan", "Print every decision and exact sizes; write nothing");
  AddModel(*plan, arguments, true, kModels);
  AddPlanOptions(*plan, arguments);
  AddVerbosity(*plan, arguments);
  plan->add_option("--report", arguments.report, kReportHelp)->type_name("FILE");
  plan->add_flag("-f,--force", arguments.apply.force, "replace an existing report");
  plan->add_option("--why", arguments.why, "explain this tensor, node, input or output")
      ->type_name("NAME");
  plan->add_flag("--json", arguments.json, "print JSON");

  CLI::App* inspect = app.add_subcommand("inspect", "Show what is in a model");
  AddModel(*inspect, arguments, true);
  inspect->add_flag("--json", arguments.json, "print JSON");
  AddVerbosity(*inspect, arguments);

  CLI::App* check =
      app.add_subcommand("check", "Say what is wrong with a model, and which command mends it");
  AddModel(*check, arguments, true);
  AddCheckOptions(*check, arguments);
  AddVerbosity(*check, arguments);
  std::vector<std::string> kinds;
  for (const CheckKind& kind : CheckKinds()) {
    kinds.push_back(absl::StrCat("  ", kind.kind, ": ", kind.meaning));
  }
  check->footer("What is looked for:\n" + absl::StrJoin(kinds, "\n"));

  CLI::App* diff = app.add_subcommand(
      "diff", "Compare two models: in words what matters, then all that differs");
  diff->add_option("A", arguments.model, "the first ONNX model")->type_name("FILE")->required();
  diff->add_option("B", arguments.other, "the second ONNX model")->type_name("FILE")->required();
  diff->add_flag("--json", arguments.json, "print JSON");
  AddVerbosity(*diff, arguments);

  CLI::App* ranges = app.add_subcommand(
      "ranges", "Measure what every float value comes to, and what float16 cannot hold");
  AddModel(*ranges, arguments, true);
  AddMeasureOptions(*ranges, arguments);
  ranges->add_option("-o,--output", arguments.report, "write the ranges as JSON, for --ranges")
      ->type_name("FILE");
  ranges
      ->add_option("--margin", arguments.measure.margin,
                   "also print values whose peak comes within this factor of 65504")
      ->check(CLI::Range(1.0, 1e9))
      ->option_text("X (2)");
  AddVerbosity(*ranges, arguments);

  CLI::App* calibrate = app.add_subcommand(
      "calibrate", "Sum up what the products of a model read, for methods that choose codes by it");
  AddModel(*calibrate, arguments, false);
  AddCalibrateOptions(*calibrate, arguments);
  AddVerbosity(*calibrate, arguments);

  CLI::App* tune = app.add_subcommand(
      "tune", "Choose each weight's format for a size, or a loss, and write that as a policy");
  AddModel(*tune, arguments, true);
  std::uint64_t size = 0;
  AddTuneOptions(*tune, arguments, size);
  AddVerbosity(*tune, arguments);

  CLI::App* verify = app.add_subcommand(
      "verify", "Run candidates against a reference and measure how far they part");
  verify->add_option("REF", arguments.model, "the ONNX model that is right")
      ->type_name("FILE")
      ->required();
  verify->add_option("CAND", arguments.candidates, "ONNX models to compare with it")
      ->type_name("FILE")
      ->required();
  AddMeasureOptions(*verify, arguments);
  AddVerifyOptions(*verify, arguments);
  AddVerbosity(*verify, arguments);

  CLI::App* recover = app.add_subcommand(
      "recover", "Finish, or take back, what a run that was killed left half-written in a folder");
  recover->add_option("DIR", arguments.directory, "the folder that it wrote to")
      ->type_name("DIR")
      ->required();
  AddVerbosity(*recover, arguments);

  CLI::App* policies = app.add_subcommand("policies", "List the built-in policies, or print one");
  policies->add_option("NAME", arguments.policy_name, "print this policy's YAML")
      ->type_name("NAME");

  CLI::Option* schema = policies->add_flag("--schema", arguments.schema,
                                           "print a JSON Schema of policy files, for editors");
  schema->excludes(policies->get_option("NAME"));

  CLI::App* formats =
      app.add_subcommand("formats", "List the formats of weights: what reads them, where they run");
  formats->add_flag("--json", arguments.json, "print JSON");

  CLI::App* completion =
      app.add_subcommand("completion", "Print a script that lets bash complete this command line");

  app.failure_message(ArgumentError);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty() && arguments.model.empty()) {
      throw CLI::RequiredError("MODEL");
    }
    if (calibrate->parsed() && arguments.model.empty() && arguments.calibrate.merge.empty()) {
      throw CLI::RequiredError("MODEL, or --merge,");
    }
    if (tune->parsed()) {
      if (tune->count("--size") > 0) arguments.tune.size = size;
      const bool chooses = arguments.tune.size || arguments.measure.max_kl;
      if (!chooses && !arguments.tune.front) {
        throw CLI::RequiredError("--size, --max-kl or --front");
      }
      if (chooses && arguments.report.empty()) throw CLI::RequiredError("-o");
    }
    if ((app.get_subcommands().empty() || plan->parsed() || tune->parsed()) &&
        arguments.plan.policy.empty()) {
      throw CLI::RequiredError("--policy (see 'onnxquant policies' for the built-in ones)");
    }
  } catch (const CLI::ParseError& error) {
    const bool failed = app.exit(error, std::cout, std::cerr) != 0;
    parsed.leave_with = static_cast<int>(failed ? ExitStatus::kUsage : ExitStatus::kDone);
    return parsed;
  }
  if (completion->parsed()) {
    std::vector<std::string> names;
    for (const BuiltinPolicy& builtin : BuiltinPolicies()) names.emplace_back(builtin.name);
    std::cout << BashCompletion(app, names);
    parsed.leave_with = static_cast<int>(ExitStatus::kDone);
    return parsed;
  }
  if (plan->parsed() || dry_run) arguments.command = Command::kPlan;
  if (inspect->parsed()) arguments.command = Command::kInspect;
  if (check->parsed()) arguments.command = Command::kCheck;
  if (diff->parsed()) arguments.command = Command::kDiff;
  if (ranges->parsed()) arguments.command = Command::kRanges;
  if (calibrate->parsed()) arguments.command = Command::kCalibrate;
  if (tune->parsed()) arguments.command = Command::kTune;
  if (verify->parsed()) arguments.command = Command::kVerify;
  if (recover->parsed()) arguments.command = Command::kRecover;
  if (policies->parsed()) arguments.command = Command::kPolicies;
  if (formats->parsed()) arguments.command = Command::kFormats;
  return parsed;
}

}  // namespace onnxquant::cli
