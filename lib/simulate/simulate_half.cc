#include "lib/simulate/simulate_half.h"

#include "lib/base/error.h"
#include "lib/simulate/half_simulator.h"

namespace onnxquant {

absl::StatusOr<onnx::ModelProto> SimulateHalf(const onnx::ModelProto& model,
                                              const std::string& origin) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Graph graph, Graph::Build(model, origin));
  ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes types, InferTypes(graph, origin));
  return HalfSimulator(graph, types).Run();
}

}  // namespace onnxquant
