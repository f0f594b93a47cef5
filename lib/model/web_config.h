// config.json's transformers.js_config: what Transformers.js must know of each output.
#ifndef ONNXQUANT_LIB_MODEL_WEB_CONFIG_H_
#define ONNXQUANT_LIB_MODEL_WEB_CONFIG_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

struct WebConfigEntry {
  std::string model_base;  // "model"
  std::string file;        // "model_q4.onnx"
  int chunks = 0;          // external data files
  std::string dtype;       // "q4"
  bool kv_cache = false;   // has a float KV cache
  std::string kv_type;     // "float16" or "float32"
};

// The new text of config.json. In transformers.js_config: use_external_data_format becomes an
// object from file name to number of chunks (Transformers.js looks a file up by its full name, then
// by its base name), keeping other entries; a `true` or a number there spoke for every dtype and is
// spread over `existing_files`, so that other dtypes keep loading; kv_cache_dtype gains the float16
// outputs, and a plain string that does not fit them all is spread likewise. Every other byte stays
// as it is, and what is added looks like what is there (lib/text/json_edit.h). Errors (kModel)
// begin with `origin` and the place: no JSON object, a key that is to be changed and stands twice.
absl::StatusOr<std::string> UpdateWebConfig(const std::string& text, const std::string& origin,
                                            absl::Span<const WebConfigEntry> entries,
                                            absl::Span<const std::string> existing_files);

// The text of a config.json or generation_config.json. Errors: kModel.
absl::StatusOr<std::string> ReadConfig(const std::string& path);

// config.json beside the model, or above a folder named onnx; nothing if there is none.
std::optional<std::string> FindConfigJson(const std::string& model_path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_WEB_CONFIG_H_
