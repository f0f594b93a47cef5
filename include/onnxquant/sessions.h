// A folder of models that belong together, as Transformers.js and optimum lay it out.
//
//   auto folder = onnxquant::OptionsForFolder("whisper-tiny", {.output = "web"}, {});
//   for (const auto& one : folder->sessions) onnxquant::Quantize(one.session.path, one.options,
//   {});
#ifndef ONNXQUANT_SESSIONS_H_
#define ONNXQUANT_SESSIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"
#include "onnxquant/quantize.h"

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

// The files of all its models, sources or not, by name. Errors: kUsage (no such folder), kModel (it
// has none).
ONNXQUANT_EXPORT absl::StatusOr<std::vector<std::string>> FindModels(const std::string& folder);

// How a session is converted.
struct SessionOptions {
  Session session = {};
  PlanOptions options = {};
};

// How the sessions of a folder are converted together.
struct FolderOptions {
  std::vector<SessionOptions> sessions = {};
  // Where the sessions would get different policies by themselves: what they get together, in a
  // sentence; else "".
  std::string agreed = {};
};

// What to convert of the folder, in the order of FindSessions: `options` for all, each with a place
// for its outputs, beside the model or in a folder that is laid out as the source's. Where the
// policy is left open (kAutoPolicy) and families ask for different ones, all get that of language
// models, so that what one model gives fits what another takes. `choices` give some another policy,
// or none at all: "encoder*=fp16", "decoder*=q4f16:fp16,q4f16", "embed_tokens=skip"; globs as in
// policies, and the last that fits decides. Errors: kUsage (a choice that fits no session or is
// none; an output that is one file), and those of FindSessions and ChoosePolicy.
ONNXQUANT_EXPORT absl::StatusOr<FolderOptions> OptionsForFolder(
    const std::string& folder, const PlanOptions& options, const std::vector<std::string>& choices);

}  // namespace onnxquant

#endif  // ONNXQUANT_SESSIONS_H_
