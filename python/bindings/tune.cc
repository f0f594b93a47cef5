#include "python/bindings/tune.h"

#include <optional>
#include <string>
#include <utility>

#include "lib/tune/tune_file.h"
#include "python/bindings/background.h"
#include "python/bindings/running.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

std::optional<std::pair<int, int>> PartOf(const TuneOptions& options) {
  if (!options.part) return std::nullopt;
  return std::pair(options.part->number, options.part->of);
}

void SetPart(TuneOptions& options, const std::optional<std::pair<int, int>>& part) {
  options.part.reset();
  if (part) options.part = Part{part->first, part->second};
}

// The report, and the policy that was chosen; "" for none.
std::pair<std::string, std::string> RunTune(TuneOptions options, const std::string& output,
                                            bool force, bool confirm, py::function load,
                                            const py::object& progress) {
  SetLoader(options, std::move(load));
  const TuneReport report = Await<TuneReport>(
      [&](Course& course) {
        Watch(options, course);
        options.cancelled = &course.cancelled;
        const SingleOutput file{
            .path = output, .force = force, .waiting = {.cancelled = &course.cancelled}};
        return TuneToFile(options, file, confirm);
      },
      progress);
  return {ToJson(report), report.tuning.policy};
}

}  // namespace

void BindTune(py::module_& module) {
  py::class_<TuneOptions> options(module, "TuneOptions", "What tune is asked for.");
  BindCommon(options);
  options.def_readwrite("model", &TuneOptions::model)
      .def_readwrite("plan", &TuneOptions::plan)
      .def_readwrite("formats", &TuneOptions::formats)
      .def_readwrite("size", &TuneOptions::size)
      .def_readwrite("max_kl", &TuneOptions::max_kl)
      .def_readwrite("cache", &TuneOptions::cache)
      .def_property("part", &PartOf, &SetPart)
      .def_readwrite("fast", &TuneOptions::fast)
      .def_readwrite("measure", &TuneOptions::measure)
      .def_readwrite("threads", &TuneOptions::threads);
  module.def("tune", &RunTune, py::arg("options"), py::arg("output"), py::arg("force"),
             py::arg("confirm"), py::arg("load"), py::arg("progress"));
}

}  // namespace onnxquant::python
