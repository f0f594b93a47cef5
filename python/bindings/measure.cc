#include "python/bindings/measure.h"

#include <optional>
#include <string>
#include <utility>

#include "lib/trace/ranges.h"
#include "lib/verify/verify.h"
#include "python/bindings/background.h"
#include "python/bindings/running.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

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

}  // namespace

void BindMeasure(py::module_& module) {
  py::class_<RangesOptions> ranges(module, "RangesOptions", "What measure_ranges is asked for.");
  BindCommon(ranges);
  ranges.def_readwrite("model", &RangesOptions::model)
      .def_readwrite("chunk", &RangesOptions::chunk);
  py::class_<VerifyOptions> verify(module, "VerifyOptions", "What verify is asked for.");
  BindCommon(verify);
  verify.def_readwrite("reference", &VerifyOptions::reference)
      .def_readwrite("candidates", &VerifyOptions::candidates)
      .def_readwrite("providers", &VerifyOptions::providers)
      .def_readwrite("chunk", &VerifyOptions::chunk)
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
