// The runner that ONNX Runtime's C API drives, in a library that is loaded when it is needed.
#ifndef ONNXQUANT_LIB_RUNTIME_ORT_RUNNER_H_
#define ONNXQUANT_LIB_RUNTIME_ORT_RUNNER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "lib/runtime/runner.h"

namespace onnxquant {

// A RunnerFactory. Which library: see ort_library.h. Libraries stay loaded until the process ends.
absl::StatusOr<std::unique_ptr<Runner>> LoadWithOnnxRuntime(const ModelSource& source,
                                                            const RunnerOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_ORT_RUNNER_H_
