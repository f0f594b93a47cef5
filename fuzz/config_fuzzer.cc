// Updates any text as a config.json.
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "lib/model/web_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onnxquant::fuzz;
  const std::vector<onnxquant::WebConfigEntry> entries = {
      {"model", "model_q4f16.onnx", 1, "q4f16", true, "float16"},
      {"model", "model_fp16.onnx", 0, "fp16", false, ""}};
  const std::vector<std::string> existing = {"model.onnx", "model_q4.onnx"};
  const std::string text(data, data + size);
  const auto once = onnxquant::UpdateWebConfig(text, "config.json", entries, existing);
  RequireToldWell(once.status());
  if (!once.ok()) return 0;
  const auto twice = onnxquant::UpdateWebConfig(*once, "config.json", entries, existing);
  RequireToldWell(twice.status());
  Require(twice.ok() && *twice == *once, "an update to change nothing the second time");
  return 0;
}
