// Where the outputs of a conversion go, and what they are called.
#ifndef ONNXQUANT_LIB_CONVERT_OUTPUT_PLACE_H_
#define ONNXQUANT_LIB_CONVERT_OUTPUT_PLACE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/policy/plan.h"

namespace onnxquant {

struct OutputPlace {
  std::string directory;
  std::string file;  // the name of the one output; "": BASE, the dtype's suffix, .onnx
  std::string base;  // what Transformers.js calls the model
};

// `asked`: a folder, or a path that ends with .onnx and is no folder; "": the model's folder.
OutputPlace PlaceOf(const std::string& model_path, const std::string& asked,
                    const std::string& base);

// Error (kUsage): one name for several outputs.
absl::Status RefuseOneFileForMany(const OutputPlace& place, const std::vector<OutputPlan>& plans);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_OUTPUT_PLACE_H_
