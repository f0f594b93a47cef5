#include "tests/support/rope_model.h"

#include <cmath>

namespace onnxquant {

void AddRopeTables(const std::string& cosines, const std::string& sines,
                   const std::vector<float>& frequencies, int positions, onnx::ModelProto& model,
                   float factor) {
  for (const bool is_sine : {false, true}) {
    const std::string& name = is_sine ? sines : cosines;
    onnx::TensorProto* tensor = nullptr;
    for (onnx::TensorProto& other : *model.mutable_graph()->mutable_initializer()) {
      if (other.name() == name) tensor = &other;
    }
    if (tensor == nullptr) tensor = model.mutable_graph()->add_initializer();
    tensor->Clear();
    tensor->set_name(name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->add_dims(positions);
    tensor->add_dims(static_cast<std::int64_t>(frequencies.size()));
    std::vector<float> values;
    for (int position = 0; position < positions; ++position) {
      for (const float frequency : frequencies) {
        const float angle = static_cast<float>(position) * frequency;
        values.push_back((is_sine ? std::sin(angle) : std::cos(angle)) * factor);
      }
    }
    tensor->set_raw_data(values.data(), values.size() * sizeof(float));
  }
}

}  // namespace onnxquant
