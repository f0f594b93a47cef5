#include "lib/simulate/simulated_provider.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/model/external_data.h"
#include "lib/simulate/simulate_half.h"

namespace onnxquant {
namespace {

// The graph alone: weights in other files stay there.
absl::StatusOr<onnx::ModelProto> ReadGraph(const ModelSource& source) {
  if (source.bytes == nullptr) return ReadWholeModel(source.path);
  onnx::ModelProto model;
  if (model.ParseFromString(*source.bytes)) return model;
  return ModelError(source.path, ": cannot be read as an ONNX model");
}

// ONNX Runtime plans memory by symbolic dimensions, and takes a cache and the longer cache that an
// attention operator makes of it for equal where no value_info tells them apart: the values that a
// simulation adds have none.
void ForgetSymbols(google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values) {
  for (onnx::ValueInfoProto& value : values) {
    if (!value.type().tensor_type().has_shape()) continue;
    onnx::TensorShapeProto& shape = *value.mutable_type()->mutable_tensor_type()->mutable_shape();
    for (auto& dim : *shape.mutable_dim()) dim.clear_dim_param();
  }
}

void RestoreSymbols(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& from,
                    std::vector<ValueSignature>& values) {
  for (const onnx::ValueInfoProto& source : from) {
    const onnx::TensorShapeProto& shape = source.type().tensor_type().shape();
    for (ValueSignature& value : values) {
      if (value.name != source.name()) continue;
      for (std::size_t i = 0;
           i < value.dims.size() && i < static_cast<std::size_t>(shape.dim_size()); ++i) {
        value.dims[i].symbol = shape.dim(static_cast<int>(i)).dim_param();
      }
    }
  }
}

// Runs the simulation under the signature of the model itself: inputs are made by its symbols.
class SimulatedRunner : public Runner {
 public:
  SimulatedRunner(std::unique_ptr<Runner> runner, const onnx::GraphProto& graph)
      : runner_(std::move(runner)), signature_(runner_->signature()) {
    RestoreSymbols(graph.input(), signature_.inputs);
    RestoreSymbols(graph.output(), signature_.outputs);
  }

  const Signature& signature() const override { return signature_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    return runner_->Run(inputs, outputs);
  }

 private:
  std::unique_ptr<Runner> runner_;
  Signature signature_;
};

absl::StatusOr<std::unique_ptr<Runner>> LoadSimulated(const RunnerFactory& factory,
                                                      const ModelSource& source,
                                                      RunnerOptions options) {
  ONNXQUANT_ASSIGN_OR_RETURN(onnx::ModelProto model, ReadGraph(source));
  const std::string folder =
      source.bytes == nullptr ? ResolveLocations(source.path, model) : source.folder;
  ONNXQUANT_ASSIGN_OR_RETURN(onnx::ModelProto simulated, SimulateHalf(model, source.path));
  ForgetSymbols(*simulated.mutable_graph()->mutable_input());
  ForgetSymbols(*simulated.mutable_graph()->mutable_output());
  ForgetSymbols(*simulated.mutable_graph()->mutable_value_info());
  auto bytes = std::make_shared<std::string>();
  if (!simulated.SerializeToString(bytes.get())) {
    return ModelError(source.path,
                      ": is too large to simulate with its weights inside; store them "
                      "in a file beside it");
  }
  options.provider = "cpu";
  options.optimization = RunnerOptions::Optimization::kNone;
  ONNXQUANT_ASSIGN_OR_RETURN(std::unique_ptr<Runner> runner,
                             factory({source.path, std::move(bytes), folder}, options));
  return std::make_unique<SimulatedRunner>(std::move(runner), model.graph());
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
