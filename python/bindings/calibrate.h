// Statistics of models, for Python.
#ifndef ONNXQUANT_PYTHON_BINDINGS_CALIBRATE_H_
#define ONNXQUANT_PYTHON_BINDINGS_CALIBRATE_H_

#include <pybind11/pybind11.h>

namespace onnxquant::python {

// Adds calibrate and merge_calibrations to the module.
void BindCalibrate(pybind11::module_& module);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_CALIBRATE_H_
