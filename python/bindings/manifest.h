// Conversion in parts, as the Python package sees it.
#ifndef ONNXQUANT_PYTHON_BINDINGS_MANIFEST_H_
#define ONNXQUANT_PYTHON_BINDINGS_MANIFEST_H_

#include <pybind11/pybind11.h>

namespace onnxquant::python {

void BindManifest(pybind11::module_& module);

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_MANIFEST_H_
