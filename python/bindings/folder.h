// Folders of models that belong together.
#ifndef ONNXQUANT_PYTHON_BINDINGS_FOLDER_H_
#define ONNXQUANT_PYTHON_BINDINGS_FOLDER_H_

#include <pybind11/pybind11.h>

namespace onnxquant::python {

// After PlanOptions.
void BindFolder(pybind11::module_& module);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_FOLDER_H_
