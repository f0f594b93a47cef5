#include "python/bindings/calibrate.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/calibrate/calibrate_file.h"
#include "lib/statistics/fingerprint.h"
#include "python/bindings/background.h"
#include "python/bindings/running.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

SingleOutput OutputOf(const std::string& path, bool force, const Course& course) {
  return {.path = path, .force = force, .waiting = {.cancelled = &course.cancelled}};
}

std::string RunCalibrate(CalibrationOptions options, const std::string& output, bool force,
                         py::function load, const py::object& progress) {
  SetLoader(options, std::move(load));
  options.tool = absl::StrCat("onnxquant ", ONNXQUANT_VERSION);
  return ToJson(Await<CalibrationReport>(
      [&](Course& course) {
        Follow(options, course);
        return CalibrateToFile(options, OutputOf(output, force, course), {});
      },
      progress));
}

std::string MergeCalibrationFiles(const std::vector<std::string>& files, const std::string& output,
                                  bool force) {
  return ToJson(Await<CalibrationReport>(
      [&](Course& course) { return MergeToFile(files, OutputOf(output, force, course)); },
      py::none()));
}

std::string Fingerprint(const std::string& model) {
  return Await<std::string>([&](Course&) { return FingerprintOfFile(model); }, py::none());
}

}  // namespace

void BindCalibrate(py::module_& module) {
  py::class_<CalibrationOptions> options(module, "CalibrationOptions",
                                         "What calibrate is asked for.");
  BindCommon(options);
  options.def_readwrite("model", &CalibrationOptions::model)
      .def_readwrite("sequences", &CalibrationOptions::sequences)
      .def_readwrite("length", &CalibrationOptions::length)
      .def_readwrite("batch", &CalibrationOptions::batch)
      .def_readwrite("gradients", &CalibrationOptions::gradients);
  module.def("calibrate", &RunCalibrate, py::arg("options"), py::arg("output"), py::arg("force"),
             py::arg("load"), py::arg("progress"));
  module.def("fingerprint", &Fingerprint, py::arg("model"));
  module.def("merge_calibrations", &MergeCalibrationFiles, py::arg("files"), py::arg("output"),
             py::arg("force"));
}

}  // namespace onnxquant::python
