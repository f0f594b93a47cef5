#include "python/bindings/measure.h"

#include <pybind11/stl.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/simulate/simulated_provider.h"
#include "lib/trace/ranges.h"
#include "lib/verify/verify.h"
#include "python/bindings/background.h"
#include "python/bindings/python_runner.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;
using Dims = std::map<std::string, std::int64_t>;

// Ties the work to its course and to the host's onnxruntime. With the interpreter's lock.
template <typename Options>
void SetLoader(Options& options, py::function load) {
  options.factory = WithSimulatedProvider(PythonRunnerFactory(std::move(load)));
}

template <typename Options>
void Follow(Options& options, Course& course) {
  options.cancelled = [&course] { return course.cancelled.load(); };
  options.progress = [&course](std::size_t done, std::size_t total) {
    course.total = total;
    course.done = done;
  };
}

std::string Ranges(RangesOptions options, py::function load, const py::object& progress) {
  SetLoader(options, std::move(load));
  return ToJson(Await<RangeReport>(
      [&](Course& course) {
        Follow(options, course);
        return MeasureRanges(options);
      },
      progress));
}

std::string RunVerify(VerifyOptions options, py::function load, const py::object& progress) {
  SetLoader(options, std::move(load));
  return ToJson(Await<Verification>(
      [&](Course& course) {
        Follow(options, course);
        return Verify(options);
      },
      progress));
}

// What both kinds of options have.
template <typename Options>
void BindCommon(py::class_<Options>& bound) {
  bound.def(py::init<>())
      .def_readwrite("tokens", &Options::tokens)
      .def_readwrite("count", &Options::count)
      .def_readwrite("chunk", &Options::chunk)
      .def_readwrite("memory", &Options::memory)
      .def_property(
          "seed", [](const Options& options) { return options.inputs.seed; },
          [](Options& options, std::uint64_t seed) { options.inputs.seed = seed; })
      .def_property(
          "dims", [](const Options& options) { return options.inputs.dims; },
          [](Options& options, const Dims& dims) { options.inputs.dims = dims; });
}

}  // namespace

void BindMeasure(py::module_& module) {
  py::class_<RangesOptions> ranges(module, "RangesOptions", "What measure_ranges is asked for.");
  BindCommon(ranges);
  ranges.def_readwrite("model", &RangesOptions::model);
  py::class_<VerifyOptions> verify(module, "VerifyOptions", "What verify is asked for.");
  BindCommon(verify);
  verify.def_readwrite("reference", &VerifyOptions::reference)
      .def_readwrite("candidates", &VerifyOptions::candidates)
      .def_readwrite("providers", &VerifyOptions::providers)
      .def_readwrite("greedy", &VerifyOptions::greedy)
      .def_readwrite("layers", &VerifyOptions::layers)
      .def("set_thresholds", [](VerifyOptions& options, std::optional<double> max_kl,
                                std::optional<double> min_top1, std::optional<double> max_error) {
        options.thresholds = {max_kl, min_top1, max_error};
      });
  module.def("measure_ranges", &Ranges, py::arg("options"), py::arg("load"), py::arg("progress"));
  module.def("verify", &RunVerify, py::arg("options"), py::arg("load"), py::arg("progress"));
}

}  // namespace onnxquant::python
