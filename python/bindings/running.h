// What the functions that run models have in common.
#ifndef ONNXQUANT_PYTHON_BINDINGS_RUNNING_H_
#define ONNXQUANT_PYTHON_BINDINGS_RUNNING_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/simulate/simulated_provider.h"
#include "python/bindings/background.h"
#include "python/bindings/python_runner.h"

namespace onnxquant::python {

// Has the work use the host's onnxruntime. With the interpreter's lock.
template <typename Options>
void SetLoader(Options& options, pybind11::function load) {
  options.factory = WithSimulatedProvider(PythonRunnerFactory(std::move(load)));
}

// Tells the course how far the work is.
template <typename Options>
void Watch(Options& options, Course& course) {
  options.progress = [&course](std::size_t done, std::size_t total) {
    course.total = total;
    course.done = done;
  };
}

// The same, and has the work stop when it is told to.
template <typename Options>
void Follow(Options& options, Course& course) {
  options.cancelled = [&course] { return course.cancelled.load(); };
  Watch(options, course);
}

// What all kinds of options have.
template <typename Options>
void BindCommon(pybind11::class_<Options>& bound) {
  using Dims = std::map<std::string, std::int64_t>;
  bound.def(pybind11::init<>())
      .def_readwrite("tokens", &Options::tokens)
      .def_readwrite("count", &Options::count)
      .def_readwrite("memory", &Options::memory)
      .def_property(
          "seed", [](const Options& options) { return options.inputs.seed; },
          [](Options& options, std::uint64_t seed) { options.inputs.seed = seed; })
      .def_property(
          "dims", [](const Options& options) { return options.inputs.dims; },
          [](Options& options, const Dims& dims) { options.inputs.dims = dims; })
      .def_property(
          "inputs", [](const Options& options) { return options.inputs.files; },
          [](Options& options, const std::vector<std::string>& files) {
            options.inputs.files = files;
          });
}

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_RUNNING_H_
