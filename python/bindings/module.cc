// The native part of the Python package: plain functions over paths, buffers and JSON. What users
// see (onnxquant.quantize …) is Python, in python/onnxquant.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/inspect/diff.h"
#include "lib/inspect/inspect.h"
#include "lib/model/model.h"
#include "lib/policy/policy_yaml.h"
#include "lib/report/html.h"
#include "onnxquant/check.h"
#include "onnxquant/manifest.h"
#include "onnxquant/quantize.h"
#include "onnxquant/recover.h"
#include "onnxquant/report.h"
#include "python/bindings/background.h"
#include "python/bindings/calibrate.h"
#include "python/bindings/folder.h"
#include "python/bindings/manifest.h"
#include "python/bindings/measure.h"
#include "python/bindings/model_argument.h"
#include "python/bindings/python_runner.h"
#include "python/bindings/tune.h"
#include "tools/program.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;
using Argument = std::shared_ptr<ModelArgument>;

// A plan with the buffers that its model lies in.
struct NativePlan {
  Argument model;
  Plan plan;
};

absl::StatusOr<Model> Load(const ModelArgument& argument) {
  return argument.in_memory() ? Model::FromMemory(argument.memory()) : Model::Load(argument.path());
}

std::unique_ptr<NativePlan> MakeNativePlan(const Argument& model, const PlanOptions& options) {
  Plan plan = Await<Plan>(
      [&](Course&) {
        return model->in_memory() ? MakePlan(model->memory(), options)
                                  : MakePlan(model->path(), options);
      },
      py::none());
  return std::make_unique<NativePlan>(NativePlan{model, std::move(plan)});
}

std::string Apply(const NativePlan& plan, bool force, int threads, std::uint64_t memory,
                  const py::object& progress) {
  const Report report = Await<Report>(
      [&](Course& course) {
        ApplyOptions options;
        options.force = force;
        options.threads = threads;
        if (memory > 0) options.memory = memory;
        options.cancelled = &course.cancelled;
        options.progress = [&course](std::uint64_t done, std::uint64_t total) {
          course.total = total;
          course.done = done;
        };
        return ApplyPlan(plan.plan, options);
      },
      progress);
  return ToJson(report);
}

void Save(const NativePlan& plan, const std::string& path, bool force) {
  Await<bool>(
      [&](Course& course) -> absl::StatusOr<bool> {
        const absl::Status status =
            SaveManifest(plan.plan, path, {.force = force, .cancelled = &course.cancelled});
        if (!status.ok()) return status;
        return true;
      },
      py::none());
}

std::string Inspect(const Argument& argument, const std::string& checkpoint) {
  return ToJson(Await<Inspection>(
      [&](Course&) -> absl::StatusOr<Inspection> {
        absl::StatusOr<Model> model = Load(*argument);
        if (!model.ok()) return model.status();
        return InspectModel(*model, checkpoint);
      },
      py::none()));
}

std::string Check(const Argument& argument, const std::string& target, const std::string& ranges) {
  const CheckOptions options{.target = target, .ranges = ranges};
  return ToJson(Await<CheckResult>(
      [&](Course&) {
        return argument->in_memory() ? CheckModel(argument->memory(), options)
                                     : CheckModel(argument->path(), options);
      },
      py::none()));
}

std::string Diff(const Argument& first, const Argument& second) {
  return ToJson(Await<ModelDiff>(
      [&](Course&) -> absl::StatusOr<ModelDiff> {
        absl::StatusOr<Model> a = Load(*first);
        if (!a.ok()) return a.status();
        absl::StatusOr<Model> b = Load(*second);
        if (!b.ok()) return b.status();
        return DiffModels(*a, *b);
      },
      py::none()));
}

py::dict RecoverFolder(const std::string& directory) {
  const Recovery recovery = Await<Recovery>(
      [&](Course& course) { return Recover(directory, {.cancelled = &course.cancelled}); },
      py::none());
  py::dict result;
  result["completed"] = recovery.completed;
  result["restored"] = recovery.restored;
  result["removed"] = recovery.removed;
  return result;
}

std::vector<std::pair<std::string, std::string>> Policies() {
  std::vector<std::pair<std::string, std::string>> policies;
  for (const BuiltinPolicy& policy : BuiltinPolicies()) {
    policies.emplace_back(policy.name, policy.yaml);
  }
  return policies;
}

void CheckPolicy(const std::string& yaml, const std::string& origin) {
  RaiseIfError(ParsePolicy(yaml, origin).status());
}

void CheckRule(const std::string& rule, const std::string& origin) {
  RaiseIfError(ParseRule(rule, origin).status());
}

void CheckName(const std::string& name) {
  RaiseIfError(LoadPolicy(name).status());
}

int Main(const std::vector<std::string>& arguments, py::function load) {
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const RunnerFactory factory = PythonRunnerFactory(std::move(load));
  const py::gil_scoped_release release;
  return cli::RunProgram(static_cast<int>(argv.size()), argv.data(), factory);
}

void BindPlan(py::module_& module) {
  py::class_<PlanOptions>(module, "PlanOptions", "What MakePlan is asked for.")
      .def(py::init<>())
      .def_readwrite("policy", &PlanOptions::policy)
      .def_readwrite("policy_yaml", &PlanOptions::policy_yaml)
      .def_readwrite("rules", &PlanOptions::rules)
      .def_readwrite("dtypes", &PlanOptions::dtypes)
      .def_readwrite("targets", &PlanOptions::targets)
      .def_readwrite("io", &PlanOptions::io)
      .def_readwrite("ranges", &PlanOptions::ranges)
      .def_readwrite("calibration", &PlanOptions::calibration)
      .def_readwrite("output", &PlanOptions::output)
      .def_readwrite("max_shard", &PlanOptions::max_shard)
      .def_readwrite("max_growth", &PlanOptions::max_growth)
      .def_readwrite("update_config", &PlanOptions::update_config);
  py::class_<NativePlan>(module, "NativePlan", "A read model and every decision about it.")
      .def(py::init(&MakeNativePlan), py::arg("model"), py::arg("options"))
      .def("report", [](const NativePlan& plan) { return ToJson(plan.plan.report()); })
      .def("save_manifest", &Save, py::arg("path"), py::arg("force"))
      .def("apply", &Apply, py::arg("force"), py::arg("threads"), py::arg("memory"),
           py::arg("progress"));
}

}  // namespace
}  // namespace onnxquant::python

PYBIND11_MODULE(_native, module) {
  namespace py = pybind11;
  using namespace onnxquant::python;  // NOLINT(google-build-using-namespace): the module's names
  module.doc() = "The native part of onnxquant; use the functions of the package onnxquant.";
  py::class_<ModelArgument, std::shared_ptr<ModelArgument>>(
      module, "Model", "A file, or a model in memory: its structure and its weights as buffers.")
      .def(py::init<std::string, const py::object&, const std::vector<py::buffer>&>(),
           py::arg("path"), py::arg("structure") = py::none(),
           py::arg("tensors") = std::vector<py::buffer>());
  BindPlan(module);
  BindFolder(module);
  BindManifest(module);
  BindMeasure(module);
  BindCalibrate(module);
  BindTune(module);
  module.def("inspect", &Inspect, py::arg("model"), py::arg("checkpoint"));
  module.def("check", &Check, py::arg("model"), py::arg("target"), py::arg("ranges"));
  module.def("diff", &Diff, py::arg("first"), py::arg("second"));
  module.def("recover", &RecoverFolder, py::arg("directory"));
  module.def("policies", &Policies);
  module.def("load_policy", &CheckName, py::arg("name"));
  module.def("check_rule", &CheckRule, py::arg("rule"), py::arg("origin"));
  module.def("check_policy", &CheckPolicy, py::arg("yaml"), py::arg("origin"));
  module.def(
      "to_html",
      [](std::string plan, std::string ranges, std::string verification, std::string check) {
        return onnxquant::ToHtml(
            {std::move(plan), std::move(ranges), std::move(verification), std::move(check)});
      },
      py::arg("plan"), py::arg("ranges"), py::arg("verification"), py::arg("check"));
  module.def("main", &Main, py::arg("arguments"), py::arg("load"));
  module.attr("__version__") = ONNXQUANT_VERSION;
}
