// Small constants that are converted while the graph is rewritten: Constant nodes, attributes.
#ifndef ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
#define ONNXQUANT_LIB_REWRITE_CONSTANTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/formats/narrow.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// The tensor of any float type, multiplied by 2^exponent, in `type` (of any float type
// too), payload in raw_data. Where the policy says error, a finite value beyond the type's
// range is a kModel error naming `what`; otherwise the clamped or infinite values are described in
// `warnings`, if given.
// `limit` as of Narrow().
struct Overflowing {
  Overflow overflow = Overflow::kError;
  double limit = 0;
};
absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(const Model& model,
                                                     const onnx::TensorProto& tensor,
                                                     ElementType type, const Overflowing& beyond,
                                                     const std::string& what,
                                                     std::vector<std::string>* warnings,
                                                     int exponent = 0);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
