// Where each tensor of planned outputs goes, and how it is made, as a manifest says it.
#ifndef ONNXQUANT_LIB_PARTS_MANIFEST_LAYOUT_H_
#define ONNXQUANT_LIB_PARTS_MANIFEST_LAYOUT_H_

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "lib/convert/plan_state.h"

namespace onnxquant {

// A list of outputs: "dtype", "file", "bytes" and "sha256" of the .onnx file before its tensors are
// filled in, "data": of each data file "file", "bytes" and "tensors".
absl::StatusOr<nlohmann::ordered_json> LayoutRows(const PlanAccess::State& state);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_MANIFEST_LAYOUT_H_
