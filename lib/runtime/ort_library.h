// Where ONNX Runtime's shared library is.
#ifndef ONNXQUANT_LIB_RUNTIME_ORT_LIBRARY_H_
#define ONNXQUANT_LIB_RUNTIME_ORT_LIBRARY_H_

#include <string>
#include <vector>

namespace onnxquant {

// What to try, in this order: only `given` if it is not ""; only $ONNXQUANT_ONNXRUNTIME if it is
// set; else the Python package in the cache folder's environments (venv; for "webgpu" venv-webgpu,
// which scripts/setup.sh makes), and the names that the system's loader knows.
std::vector<std::string> OnnxRuntimeCandidates(const std::string& given,
                                               const std::string& provider);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_ORT_LIBRARY_H_
