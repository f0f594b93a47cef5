#include "lib/simulate/simulated_provider.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/simulate/simulate_half.h"

namespace onnxquant {
namespace {

// The graph alone: weights in other files stay there.
absl::StatusOr<onnx::ModelProto> ReadGraph(const ModelSource& source) {
  onnx::ModelProto model;
  bool parsed = false;
  if (source.bytes != nullptr) {
    parsed = model.ParseFromString(*source.bytes);
  } else {
    std::ifstream file(source.path, std::ios::binary);
    parsed = file.is_open() && model.ParseFromIstream(&file);
  }
  if (!parsed) return ModelError(source.path, ": cannot be read as an ONNX model");
  return model;
}

absl::StatusOr<std::unique_ptr<Runner>> LoadSimulated(const RunnerFactory& factory,
                                                      const ModelSource& source,
                                                      RunnerOptions options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const onnx::ModelProto model, ReadGraph(source));
  ONNXQUANT_ASSIGN_OR_RETURN(const onnx::ModelProto simulated, SimulateHalf(model, source.path));
  auto bytes = std::make_shared<std::string>();
  if (!simulated.SerializeToString(bytes.get())) {
    return ModelError(source.path,
                      ": is too large to simulate with its weights inside; store them "
                      "in a file beside it");
  }
  options.provider = "cpu";
  options.optimization = RunnerOptions::Optimization::kNone;
  return factory({source.path, std::move(bytes)}, options);
}

}  // namespace

RunnerFactory WithSimulatedProvider(RunnerFactory factory) {
  return [factory = std::move(factory)](
             const ModelSource& source,
             const RunnerOptions& options) -> absl::StatusOr<std::unique_ptr<Runner>> {
    if (options.provider != kSimulatedProvider) return factory(source, options);
    return LoadSimulated(factory, source, options);
  };
}

}  // namespace onnxquant
