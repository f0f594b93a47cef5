// One output of a conversion: its rewritten model, where each tensor lies, and its files' sizes.
#ifndef ONNXQUANT_LIB_CONVERT_PLANNED_OUTPUT_H_
#define ONNXQUANT_LIB_CONVERT_PLANNED_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/model/layout.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

// A tensor outside the .onnx file that lies where another one does.
struct SharedTensor {
  std::string name;
  std::string same_as;
  std::uint64_t bytes = 0;
};

struct PlannedOutput {
  std::string file_name;  // of the .onnx file
  Rewritten rewritten;    // without the model itself
  Layout layout;          // by initializer
  std::vector<SharedTensor> shared;
  // The .onnx file: external tensors point into the data files; inline ones hold zeros.
  std::string model;
  // By initializer: where in `model` an inline tensor's payload stands; 0 for all others.
  std::vector<std::uint64_t> payload_at;
};

// The initializers' names, in their order, which `model` holds.
absl::StatusOr<std::vector<std::string>> InitializerNames(const PlannedOutput& output);

// Lays the tensors out and points the model at them.
absl::StatusOr<PlannedOutput> LayOut(Rewritten rewritten, const std::string& file_name,
                                     const LayoutOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_PLANNED_OUTPUT_H_
