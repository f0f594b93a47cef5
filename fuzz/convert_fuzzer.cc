// Plans and writes a conversion of any model with a choice of policies. What is written must have
// the planned size and load again.
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/model_input.h"
#include "fuzz/require.h"
#include "fuzz/scratch_folder.h"
#include "lib/model/model.h"
#include "lib/policy/policy_yaml.h"
#include "onnxquant/quantize.h"

namespace onnxquant::fuzz {
namespace {

// What the built-in policies do not say.
constexpr const char* kPolicies[] = {
    "{policy: 1, name: a, outputs: {fp16: {compute: float16, weights: float16, io: float16}}}",
    "{policy: 1, name: b, outputs: {fp16: {compute: bfloat16, weights: source, io: source,"
    " constants: {overflow: infinity}}}}",
    "{policy: 1, name: c, outputs: {q4: {compute: float32, io: float32, accuracy_level: 4,"
    " weights: {format: int4, block: 16, symmetric: false}}}, rules: [{match: {op: MatMul},"
    " weights: {format: int4, block: 256}, optional: true}]}",
    "{policy: 1, name: d, outputs: {fp16: {compute: float16, weights: float32, io: float32,"
    " rope_cache: {positions: 2}, constants: {overflow: clamp}}},"
    " rules: [{match: {hazard: any}, keep: true, optional: true},"
    " {match: {role: residual}, residual: {clip: 100}, optional: true}]}",
    "{policy: 1, name: e, outputs: {fp16: {compute: source, weights: float16, io: float16,"
    " rope_cache: computed}},"
    " rules: [{match: {role: residual}, residual: {rescale: 3}, optional: true},"
    " {match: {layer: [0, -1], name: '*a*'}, compute: float32, optional: true}]}"};

PlanOptions OptionsFor(const ModelInput& input) {
  PlanOptions options;
  const auto builtin = BuiltinPolicies();
  const std::size_t choice = input.policy % (builtin.size() + std::size(kPolicies));
  if (choice < builtin.size()) {
    options.policy = builtin[choice].name;
  } else {
    options.policy_yaml = kPolicies[choice - builtin.size()];
  }
  options.output = ScratchFolder() + "/out";
  if ((input.options & 1U) != 0) options.max_shard = 4096;
  return options;
}

void RequireWritten(const Report& report) {
  for (const OutputReport& output : report.outputs) {
    for (const FileRow& file : output.files) {
      const std::string path = report.directory + "/" + file.name;
      std::error_code error;
      Require(std::filesystem::file_size(path, error) == file.bytes && !error,
              path + " to have the size that was planned");
    }
    const auto written = Model::Load(report.directory + "/" + output.files.front().name);
    Require(written.ok(), "an output that loads; got " + std::string(written.status().message()));
  }
}

}  // namespace
}  // namespace onnxquant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const ModelInput input = SplitModelInput(data, size);
  onnxquant::ModelInMemory memory;
  memory.model = input.model;
  const auto options = OptionsFor(input);
  const auto plan = onnxquant::MakePlan(memory, options);
  RequireToldWell(plan.status());
  if (!plan.ok()) return 0;
  std::error_code ignored;
  std::filesystem::remove_all(options.output, ignored);
  std::filesystem::create_directory(options.output);
  onnxquant::ApplyOptions apply;
  apply.threads = (input.options & 2U) != 0 ? 2 : 1;
  if ((input.options & 4U) != 0) apply.memory = 1;
  const auto report = onnxquant::ApplyPlan(*plan, apply);
  RequireToldWell(report.status());
  if (report.ok()) {
    RequireWritten(*report);
    (void)onnxquant::ToJson(*report);
  } else {
    Require(std::filesystem::is_empty(options.output), "a failed conversion to leave nothing");
  }
  return 0;
}
