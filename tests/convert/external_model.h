// A model with external data on disk, and a policy for it.
#ifndef ONNXQUANT_TESTS_CONVERT_EXTERNAL_MODEL_H_
#define ONNXQUANT_TESTS_CONVERT_EXTERNAL_MODEL_H_

#include <string>

#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {

inline constexpr char kHalfPolicy[] =
    "policy: 1\nname: p\noutputs:\n"
    "  fp16: {compute: float16, weights: float16, io: float32}\n";

// Writes model.onnx, whose two weights of 256 KiB each lie one after the other in `data`.
inline void WriteExternalModel(const TempFolder& folder, const std::string& data) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[n, 256] x) => (float[n, 256] z) <float[256, 256] w1, float[256, 256] w2> {
  y = MatMul(x, w1)
  z = MatMul(y, w2)
})");
  std::string bytes;
  for (onnx::TensorProto& weight : *model.mutable_graph()->mutable_initializer()) {
    std::string payload(256UL * 256UL * 4UL, '\0');
    if (weight.has_raw_data()) payload = weight.raw_data();
    const auto add = [&weight](const char* key, const std::string& value) {
      auto* entry = weight.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", data);
    add("offset", std::to_string(bytes.size()));
    bytes += payload;
    weight.clear_raw_data();
    weight.clear_float_data();
    weight.set_data_location(onnx::TensorProto::EXTERNAL);
  }
  folder.Write(data, bytes);
  folder.Write("model.onnx", model.SerializeAsString());
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_CONVERT_EXTERNAL_MODEL_H_
