#include "onnxquant/choose_policy.h"

#include <cstdint>
#include <string>

#include "lib/base/error.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/families.h"
#include "lib/policy/plan.h"

namespace onnxquant {
namespace {

// The lowest opset that models are converted to; families do not depend on it.
constexpr int kLeastOpset = 6;

// Whether more elements of the main graph's initializers are in 16 bits than in 32.
bool IsHalfAlready(const onnx::GraphProto& graph) {
  double half = 0;
  double single = 0;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    double elements = 1;
    for (const std::int64_t dim : tensor.dims()) elements *= static_cast<double>(dim);
    const int type = tensor.data_type();
    if (type == onnx::TensorProto::FLOAT16 || type == onnx::TensorProto::BFLOAT16) half += elements;
    if (type == onnx::TensorProto::FLOAT) single += elements;
  }
  return half > single;
}

absl::StatusOr<PolicyChoice> Choose(const Model& model) {
  if (IsHalfAlready(model.proto().graph())) {
    return UsageError(model.path(), ": its floats are in 16 bits already: 'onnxquant check ",
                      model.path(),
                      "' says whether they are right and mends what is not; or say --policy");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Analysis analysis, Analyze(model.proto(), model.path()));
  const Family& family = FamilyOf(analysis);
  PolicyChoice choice;
  choice.policy = std::string(family.policy);
  choice.dtypes = {family.dtypes.begin(), family.dtypes.end()};
  choice.family = std::string(family.name);
  choice.why = family.evidence(analysis);
  return choice;
}

}  // namespace

absl::StatusOr<PolicyChoice> ChoosePolicy(const std::string& model_path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::LoadToConvert(model_path, kLeastOpset));
  return Choose(model);
}

absl::StatusOr<PolicyChoice> ChoosePolicy(const ModelInMemory& memory) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Model model, Model::FromMemoryToConvert(memory, kLeastOpset));
  return Choose(model);
}

}  // namespace onnxquant
