// A plan as a file: what it was made with, and the layout that came of it.
#ifndef ONNXQUANT_LIB_PARTS_MANIFEST_H_
#define ONNXQUANT_LIB_PARTS_MANIFEST_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/convert/plan_state.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

// NOLINTNEXTLINE(bugprone-exception-escape): no value of JSON is made without memory
struct Manifest {
  std::string path;
  // SHA-256 of all that it says but for its paths, which may be edited: what records name it by.
  std::string id;
  std::string model;          // resolved, as the paths in `options` are
  std::string staging;        // a plain name in the outputs' folder
  PlanOptions options;        // that make the plan again
  std::string policy_choice;  // why the policy was chosen; "": it was asked for
  nlohmann::json content;     // all of it but for its paths
};

// The text of the manifest that is to lie at `path`. Errors: kUsage, kModel.
absl::StatusOr<std::string> ManifestText(const PlanAccess::State& state, const std::string& path);

// Errors (kUsage) name the place: no JSON, no manifest, something missing or of another type.
absl::StatusOr<Manifest> ReadManifest(const std::string& path);

// Whether a plan that was made with the manifest's options is the one that it describes. Errors:
// kModel (the model is another), kUsage (all else).
absl::Status CheckSamePlan(const Manifest& manifest, const PlanAccess::State& state);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_MANIFEST_H_
