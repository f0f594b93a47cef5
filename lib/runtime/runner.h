// Runs a model to measure it. Who runs it (ONNX Runtime's library, or a host program's own copy of
// it behind a callback) is not known here.
#ifndef ONNXQUANT_LIB_RUNTIME_RUNNER_H_
#define ONNXQUANT_LIB_RUNTIME_RUNNER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/signature.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {

class Runner {
 public:
  virtual ~Runner() = default;

  virtual const Signature& signature() const = 0;

  // Gives the named outputs in the order asked for. Every input of the signature must be given, in
  // its type and shape. Errors (kVerify) carry what the runtime says.
  virtual absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                                  absl::Span<const std::string> outputs) = 0;
};

struct ModelSource {
  std::string path;  // in messages
  // The model itself where it is not the file at `path`: an altered copy, say.
  std::shared_ptr<const std::string> bytes;
  // What the locations in `bytes` are relative to; "": the folder of `path`.
  std::string folder = {};
};

struct RunnerOptions {
  enum class Optimization { kNone, kBasic, kAll };

  std::string provider = "cpu";  // "cpu", "webgpu", or a provider's name as ONNX Runtime lists it
  std::string library;           // the runtime's shared library; "": look for it
  Optimization optimization = Optimization::kAll;
  int log_level = 4;  // 0 verbose … 4 fatal; what it says of errors is in ours
  int threads = 0;    // 0: the runtime's choice
  // Weights are read where they lie, and memory is given back at once: slower, and in less of it.
  bool lean = false;
};

// Makes a runner. Errors: kUsage for a runtime or provider that is not there, kModel for a file
// that cannot be read, kVerify for a model that the runtime does not load.
using RunnerFactory = std::function<absl::StatusOr<std::unique_ptr<Runner>>(const ModelSource&,
                                                                            const RunnerOptions&)>;

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_RUNNER_H_
