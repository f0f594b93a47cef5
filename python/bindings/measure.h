// Ranges and verification for Python.
#ifndef ONNXQUANT_PYTHON_BINDINGS_MEASURE_H_
#define ONNXQUANT_PYTHON_BINDINGS_MEASURE_H_

#include <pybind11/pybind11.h>

namespace onnxquant::python {

// Adds measure_ranges and verify to the module.
void BindMeasure(pybind11::module_& module);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_MEASURE_H_
