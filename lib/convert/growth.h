// Outputs that are out of all proportion to their input.
#ifndef ONNXQUANT_LIB_CONVERT_GROWTH_H_
#define ONNXQUANT_LIB_CONVERT_GROWTH_H_

#include <cstdint>

#include "absl/status/status.h"
#include "lib/model/model.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

// A data file can be shared by any number of tensors, each of which becomes one of its own: a small
// model would fill a disk. Errors (kModel) name the tensor that takes the most, and the option that
// allows it. Up to limits::kSmallOutput bytes any growth is allowed.
struct GrowthBound {
  std::uint64_t input_bytes = 0;
  double factor = 0;
};

// Before anything is rewritten: what Constant nodes, attributes and bodies refer to, which becomes
// a part of the .onnx file.
absl::Status CheckEmbedded(const Model& model, const GrowthBound& bound);

// Before anything is laid out: the tensors of one output.
absl::Status CheckGrowth(const Rewritten& rewritten, const std::string& what,
                         const GrowthBound& bound);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_GROWTH_H_
