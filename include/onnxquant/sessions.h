// A folder of models that belong together, as Transformers.js and optimum lay it out.
//
//   auto sessions = onnxquant::FindSessions("whisper-tiny");
//   for (const auto& session : *sessions) onnxquant::Quantize(session.path, {.policy = "q4f16"},
//   {});
#ifndef ONNXQUANT_SESSIONS_H_
#define ONNXQUANT_SESSIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"

namespace onnxquant {

// One graph of a folder that a runtime loads as a session of its own, such as a decoder.
struct Session {
  std::string name = {};  // "decoder_model_merged"
  std::string path = {};  // of the file to convert
};

// One for each model of the folder's subfolder onnx, or where that has none of the folder itself,
// by name. Of files that are named for dtypes (model_fp16.onnx, model_q4.onnx) they are the sources
// where there is no float32 file of that name: float16 before bfloat16. Errors: kUsage (no such
// folder), kModel (it has no model that is a source).
ONNXQUANT_EXPORT absl::StatusOr<std::vector<Session>> FindSessions(const std::string& folder);

}  // namespace onnxquant

#endif  // ONNXQUANT_SESSIONS_H_
