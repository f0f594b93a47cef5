#include "python/bindings/manifest.h"

#include <cstdint>
#include <string>

#include "onnxquant/manifest.h"
#include "onnxquant/report.h"
#include "python/bindings/background.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

PartOptions OptionsOf(Course& course, bool force, int threads, std::uint64_t memory, bool verify) {
  PartOptions options;
  options.verify = verify;
  options.apply.force = force;
  options.apply.threads = threads;
  if (memory > 0) options.apply.memory = memory;
  options.apply.cancelled = &course.cancelled;
  options.apply.progress = [&course](std::uint64_t done, std::uint64_t total) {
    course.total = total;
    course.done = done;
  };
  return options;
}

py::dict ApplyOnePart(const std::string& manifest, int number, int of, bool force, int threads,
                      std::uint64_t memory, bool verify, const py::object& progress) {
  const auto report = Await<PartReport>(
      [&](Course& course) {
        return ApplyPart(manifest, {number, of}, OptionsOf(course, force, threads, memory, verify));
      },
      progress);
  py::list files;
  for (const PartFile& file : report.files) {
    py::dict row;
    row["name"] = file.name;
    row["bytes"] = file.bytes;
    row["sha256"] = file.sha256;
    row["was_done"] = file.was_done;
    files.append(row);
  }
  py::dict result;
  result["part"] = number;
  result["of"] = of;
  result["files"] = files;
  result["staging"] = report.staging;
  result["bytes_read"] = report.bytes_read;
  result["seconds"] = report.seconds;
  return result;
}

std::string ApplyAll(const std::string& manifest, bool finish_only, bool force, int threads,
                     std::uint64_t memory, bool verify, const py::object& progress) {
  return ToJson(Await<Report>(
      [&](Course& course) {
        const PartOptions options = OptionsOf(course, force, threads, memory, verify);
        return finish_only ? FinishManifest(manifest, options) : ApplyManifest(manifest, options);
      },
      progress));
}

}  // namespace

void BindManifest(py::module_& module) {
  module.def("apply_part", &ApplyOnePart, py::arg("manifest"), py::arg("number"), py::arg("of"),
             py::arg("force"), py::arg("threads"), py::arg("memory"), py::arg("verify"),
             py::arg("progress"));
  module.def("apply_manifest", &ApplyAll, py::arg("manifest"), py::arg("finish_only"),
             py::arg("force"), py::arg("threads"), py::arg("memory"), py::arg("verify"),
             py::arg("progress"));
}

}  // namespace onnxquant::python
