#include "onnxquant/quantize.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/analysis/type_check.h"
#include "lib/base/error.h"
#include "lib/convert/check_targets.h"
#include "lib/convert/growth.h"
#include "lib/convert/output_place.h"
#include "lib/convert/output_writer.h"
#include "lib/convert/plan_inputs.h"
#include "lib/convert/plan_state.h"
#include "lib/convert/planned_output.h"
#include "lib/convert/report_rows.h"
#include "lib/files/folder.h"
#include "lib/model/model.h"
#include "lib/model/web_config.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/plan.h"
#include "lib/rewrite/share_equal.h"
#include "lib/statistics/factor_cache.h"
#include "onnxquant/choose_policy.h"

namespace onnxquant {

Plan::Plan(std::unique_ptr<State> state) : state_(std::move(state)) {}
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;
Plan::~Plan() = default;
const Report& Plan::report() const {
  return state_->report;
}

namespace {

// Of the memory for working buffers, what factors may take that no weight is using.
constexpr std::uint64_t kFactorShare = 2;

std::uint64_t InputBytes(const Model& model) {
  std::uint64_t bytes = model.file_bytes();
  for (const auto& file : model.external_files()) bytes += file.size;
  return bytes;
}

// The files that decided what is written, too: a set must not destroy what it was made from.
std::vector<std::string> InputsOf(const Model& model, const PlanOptions& options) {
  std::vector<std::string> inputs{model.path()};
  for (const auto& file : model.external_files()) inputs.push_back(file.path);
  if (options.policy_yaml.empty()) inputs.push_back(options.policy);
  if (!options.ranges.empty()) inputs.push_back(options.ranges);
  if (!options.calibration.empty()) inputs.push_back(options.calibration);
  return inputs;
}

// What config.json must know of one output. Data files that no browser can hold are not counted:
// what reads the file takes the count for a promise that they load.
WebConfigEntry ConfigEntry(const Analysis& analysis, const OutputPlan& plan,
                           const PlannedOutput& output, const OutputPlace& place) {
  WebConfigEntry entry;
  entry.model_base = place.base;
  entry.file = output.file_name;
  entry.chunks =
      FitsBrowsers(output.layout) ? static_cast<int>(output.layout.shard_bytes.size()) : 0;
  entry.dtype = plan.dtype;
  entry.kv_cache = false;
  for (const IoPlan& io : plan.io) {
    if (analysis.roles.OfValue(io.value).role != Role::kKvCache) continue;
    entry.kv_cache = true;
    entry.kv_type = NameOf(io.type);
  }
  return entry;
}

// The options, where the policy is left open with the one that suits the model; the outputs of that
// one which are enough; and why that one.
struct Settled {
  PlanOptions options;
  std::vector<std::string> dtypes;  // empty: all
  std::string why;
  PolicyText text;  // read once: it may come from a pipe
};

// The outputs that are wanted: those asked for; of a file that is named for a dtype which the
// policy writes, that one, since such a file is to be mended rather than made anything else; else
// those that are enough, or all.
std::vector<std::string> WantedDtypes(const Settled& settled, const Policy& policy,
                                      const std::string& source_dtype) {
  if (!settled.options.dtypes.empty()) return settled.options.dtypes;
  const bool has_it = std::any_of(
      policy.outputs.begin(), policy.outputs.end(),
      [&source_dtype](const OutputSpec& output) { return output.dtype == source_dtype; });
  return has_it ? std::vector<std::string>{source_dtype} : settled.dtypes;
}

void WarnOfLargeShards(PlannedOutput& output) {
  if (FitsBrowsers(output.layout)) return;
  output.rewritten.warnings.push_back(absl::StrCat(
      "a data file of ", output.file_name, " is larger than the ", kLargestInBrowsers,
      " bytes that a browser can hold: this output is for other programs, and config.json does not "
      "count its data files"));
}

// Only a file that is nothing but the outputs' configuration is updated, under whatever name an
// input is the same file.
absl::Status RefuseInputAsConfig(const std::string& config,
                                 const std::vector<std::string>& inputs) {
  std::error_code error;
  for (const std::string& input : inputs) {
    if (config.empty() || !std::filesystem::equivalent(config, input, error)) continue;
    return WriteError(config, ": would be brought up to date, but is part of the input (", input,
                      "), which is never written to; --no-config leaves it alone");
  }
  return absl::OkStatus();
}

absl::Status DecideAll(const Policy& policy, const Settled& settled, PlanAccess::State* state) {
  const PlanOptions& options = settled.options;
  const std::string model_path = state->model.path();
  ONNXQUANT_ASSIGN_OR_RETURN(const Analysis analysis, Analyze(state->model.proto(), model_path));
  ONNXQUANT_RETURN_IF_ERROR(CheckTypes(analysis.graph, analysis.types, model_path));
  ONNXQUANT_ASSIGN_OR_RETURN(EvidenceFiles files, EvidenceOf(options, state->model, analysis));
  state->calibration = std::move(files.calibration);
  const FileStem source = SplitSourceStem(std::filesystem::path(model_path).stem().string());
  ONNXQUANT_ASSIGN_OR_RETURN(
      std::vector<OutputPlan> plans,
      MakePlans(analysis, policy, WantedDtypes(settled, policy, source.dtype), model_path,
                files.evidence));
  const OutputPlace place = PlaceOf(model_path, options.output, source.base);
  ONNXQUANT_RETURN_IF_ERROR(RefuseOneFileForMany(place, plans));
  const GrowthBound bound{InputBytes(state->model), options.max_growth};
  ONNXQUANT_RETURN_IF_ERROR(CheckEmbedded(state->model, bound));
  LayoutOptions layout;
  layout.max_shard = options.max_shard;
  Report& report = state->report;
  report.directory = place.directory;
  if (options.update_config) {
    const std::filesystem::path beside = std::filesystem::path(report.directory) / "model.onnx";
    report.config = FindConfigJson(beside.string()).value_or("");
  }
  for (OutputPlan& planned : plans) {
    const OutputPlan plan = std::move(planned);  // which is not kept beyond its output
    ONNXQUANT_ASSIGN_OR_RETURN(Rewritten rewritten, Rewrite(state->model, analysis, plan));
    ONNXQUANT_RETURN_IF_ERROR(ShareEqual(state->model, rewritten));
    ONNXQUANT_RETURN_IF_ERROR(
        CheckGrowth(rewritten, absl::StrCat(model_path, ": output '", plan.dtype, "'"), bound));
    const std::vector<std::string>& notes = state->model.notes();
    rewritten.warnings.insert(rewritten.warnings.begin(), notes.begin(), notes.end());
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string suffix, FileSuffixOf(plan.dtype));
    ONNXQUANT_ASSIGN_OR_RETURN(
        PlannedOutput output,
        LayOut(std::move(rewritten),
               place.file.empty() ? absl::StrCat(place.base, suffix, ".onnx") : place.file,
               layout));
    ONNXQUANT_ASSIGN_OR_RETURN(TargetsSaid targets,
                               CheckTargets(policy, model_path, analysis, plan, output,
                                            !report.config.empty() && IsWebDtype(plan.dtype)));
    WarnOfLargeShards(output);
    report.outputs.push_back(MakeOutputReport(analysis, plan, output, options.list_nodes));
    report.outputs.back().runs = std::move(targets.runs);
    std::vector<std::string>& warnings = report.outputs.back().warnings;
    warnings.insert(warnings.begin(), targets.warnings.begin(), targets.warnings.end());
    if (IsWebDtype(plan.dtype)) {
      state->config_entries.push_back(ConfigEntry(analysis, plan, output, place));
    }
    state->outputs.push_back(std::move(output));
  }
  report.input = model_path;
  if (state->model.from_file()) report.input_files.push_back(model_path);
  for (const auto& file : state->model.external_files()) report.input_files.push_back(file.path);
  state->inputs = InputsOf(state->model, options);
  report.input_bytes = InputBytes(state->model);
  return RefuseInputAsConfig(report.config, state->inputs);
}

template <typename Source>
absl::StatusOr<Settled> Settle(const Source& source, const PlanOptions& options) {
  Settled settled{options, {}, "", {}};
  if (options.policy == kAutoPolicy && options.policy_yaml.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(PolicyChoice choice, ChoosePolicy(source));
    settled.options.policy = std::move(choice.policy);
    settled.dtypes = std::move(choice.dtypes);
    settled.why = std::move(choice.why);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(settled.text, PolicyTextOf(settled.options));
  return settled;
}

absl::StatusOr<Plan> PlanFor(Model model, const Policy& policy, const Settled& settled) {
  auto state = std::make_unique<PlanAccess::State>(std::move(model));
  state->options = settled.options;
  state->policy = settled.text;
  ONNXQUANT_RETURN_IF_ERROR(IfUnchanged(state->model, DecideAll(policy, settled, state.get())));
  state->report.policy_choice = settled.why;
  return PlanAccess::Make(std::move(state));
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const std::string& model_path, const PlanOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Settled settled, Settle(model_path, options));
  ONNXQUANT_ASSIGN_OR_RETURN(const Policy policy, PolicyOf(settled.text, settled.options));
  ONNXQUANT_ASSIGN_OR_RETURN(Model model, Model::LoadToConvert(model_path, LeastOpset(policy)));
  return PlanFor(std::move(model), policy, settled);
}

absl::StatusOr<Plan> MakePlan(const ModelInMemory& model, const PlanOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Settled settled, Settle(model, options));
  ONNXQUANT_ASSIGN_OR_RETURN(const Policy policy, PolicyOf(settled.text, settled.options));
  ONNXQUANT_ASSIGN_OR_RETURN(Model loaded, Model::FromMemoryToConvert(model, LeastOpset(policy)));
  return PlanFor(std::move(loaded), policy, settled);
}

std::unique_ptr<FactorCache> FactorsOf(const PlanAccess::State& state,
                                       const ApplyOptions& options) {
  if (!state.calibration) return nullptr;
  return std::make_unique<FactorCache>(*state.calibration, options.memory / kFactorShare);
}

WriteJob WriteJobOf(const PlanAccess::State& state) {
  WriteJob job;
  job.model = &state.model;
  job.outputs = &state.outputs;
  job.inputs = state.inputs;
  job.directory = state.report.directory;
  job.config = state.report.config;
  job.config_entries = state.config_entries;
  return job;
}

Report FinishedReport(const PlanAccess::State& state,
                      const std::vector<std::vector<std::string>>& warnings,
                      std::uint64_t bytes_read, double seconds) {
  Report report = state.report;
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    auto& all = report.outputs[i].warnings;
    all.insert(all.end(), warnings[i].begin(), warnings[i].end());
  }
  report.bytes_read = bytes_read;
  report.seconds = seconds;
  return report;
}

absl::StatusOr<Report> ApplyPlan(const Plan& plan, const ApplyOptions& options) {
  const PlanAccess::State& state = PlanAccess::StateOf(plan);
  const auto start = std::chrono::steady_clock::now();
  // Programs may keep a plan for long, and export the model anew meanwhile.
  ONNXQUANT_RETURN_IF_ERROR(state.model.CheckUnchanged());
  WriteJob job = WriteJobOf(state);
  const std::unique_ptr<FactorCache> factors = FactorsOf(state, options);
  job.factors = factors.get();
  std::vector<std::vector<std::string>> warnings;
  const std::uint64_t read_before = state.model.bytes_read();
  const auto finish = [&] {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return FinishedReport(state, warnings, state.model.bytes_read() - read_before, took.count());
  };
  ONNXQUANT_RETURN_IF_ERROR(WriteOutputs(job, options, finish, warnings));
  return finish();
}

absl::StatusOr<Report> Quantize(const std::string& model_path, const PlanOptions& plan_options,
                                const ApplyOptions& apply_options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(model_path, plan_options));
  return ApplyPlan(plan, apply_options);
}

}  // namespace onnxquant
