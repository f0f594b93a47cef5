// Policies of a size, for Python.
#ifndef ONNXQUANT_PYTHON_BINDINGS_TUNE_H_
#define ONNXQUANT_PYTHON_BINDINGS_TUNE_H_

#include <pybind11/pybind11.h>

namespace onnxquant::python {

// Adds tune to the module, which has PlanOptions already.
void BindTune(pybind11::module_& module);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_TUNE_H_
