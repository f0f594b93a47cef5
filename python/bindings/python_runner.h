// Runs models with the host program's own onnxruntime, through callbacks into Python.
#ifndef ONNXQUANT_PYTHON_BINDINGS_PYTHON_RUNNER_H_
#define ONNXQUANT_PYTHON_BINDINGS_PYTHON_RUNNER_H_

#include <pybind11/pybind11.h>

#include "lib/runtime/runner.h"

namespace onnxquant::python {

// `load(path, bytes or None, provider, optimization, threads, log_level)` gives an object with
//   inputs, outputs   lists of (name, element type or "", dims: int, str or None each)
//   run(inputs, outputs)   of (name, element type, dims, buffer) tuples and of names, to a list of
//                          (element type, dims, buffer)
// as onnxquant.runner.Session is. Element types are named as in ElementTypeFromName. An exception
// of the package keeps its kind; any other becomes an error of kind kVerify. May be called on any
// thread without the interpreter's lock. A library that options.library names is loaded through its
// C API instead.
RunnerFactory PythonRunnerFactory(pybind11::function load);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_PYTHON_RUNNER_H_
