// What is wrong with a model: typically a half-precision file that prints garbage.
//
//   auto result = onnxquant::CheckModel("onnx/model_fp16.onnx", {});
//   if (result.ok() && !result->ok()) std::cerr << result->command << " mends it\n";
#ifndef ONNXQUANT_CHECK_H_
#define ONNXQUANT_CHECK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"
#include "onnxquant/model_in_memory.h"

namespace onnxquant {

// What the model is checked for.
struct CheckOptions {
  // As `target` of policies says it: "webgpu", "cpu", "transformers.js@4.3". ONNX Runtime's CPU
  // provider and its WebAssembly compute 16-bit graphs in float32, so that what overflows elsewhere
  // is no fault there.
  std::string target = "webgpu";
  std::string ranges = {};  // JSON of measured ranges of this very model; "": none
};

// How sure it is.
enum class Severity {
  kError,    // wrong
  kWarning,  // may be wrong: data decide that the file does not hold
};

// One kind of fault, and all places that have it.
struct Finding {
  std::string kind;  // of CheckKinds()
  Severity severity = Severity::kError;
  std::string place;                // the first: a node, a value or a file
  int layer = -1;                   // of that place; -1 outside layers
  int count = 0;                    // of places
  std::vector<std::string> places;  // names of them all
  std::string evidence;             // what shows it, in a sentence
  std::string remedy;               // what to do
  bool mended = false;              // by the conversion that the result recommends
};

// All that was found, and what mends it.
struct CheckResult {
  std::string path;
  std::string target;
  int layers = 0;                 // of a transformer; 0: none were found
  std::string half_type;          // the 16-bit type that the model computes in; "" for none
  std::vector<Finding> findings;  // errors first
  // A conversion that mends what is wrong; "" where there is nothing that one could mend, and while
  // data are damaged: nothing can be converted then.
  std::string policy;
  std::string dtype;
  std::string command;  // of the command line, whole

  std::size_t errors() const;
  std::size_t warnings() const { return findings.size() - errors(); }
  bool ok() const { return errors() == 0; }
};

inline std::size_t CheckResult::errors() const {
  std::size_t count = 0;
  for (const Finding& finding : findings) count += finding.severity == Severity::kError ? 1 : 0;
  return count;
}

// One kind of fault that is looked for.
struct CheckKind {
  const char* kind = "";
  const char* meaning = "";
};
// All of them, in the order in which findings of one severity stand.
ONNXQUANT_EXPORT std::vector<CheckKind> CheckKinds();

// Reads the model's structure, and its float weights once. Missing or damaged data files are
// findings, not errors. Errors: kModel (no ONNX model), kUsage (an unknown target, ranges that
// cannot be read).
ONNXQUANT_EXPORT absl::StatusOr<CheckResult> CheckModel(const std::string& path,
                                                        const CheckOptions& options);
// The same for a model that the caller holds.
ONNXQUANT_EXPORT absl::StatusOr<CheckResult> CheckModel(const ModelInMemory& model,
                                                        const CheckOptions& options);

// "error" or "warning".
ONNXQUANT_EXPORT const char* NameOf(Severity severity);

// UTF-8, indented by two spaces, keys in a fixed order, newline at the end. The keys are the fields
// above, with "ok", "errors" and "warnings".
ONNXQUANT_EXPORT std::string ToJson(const CheckResult& result);

}  // namespace onnxquant

#endif  // ONNXQUANT_CHECK_H_
