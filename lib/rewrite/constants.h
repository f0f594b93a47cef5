// Small constants that are converted while the graph is rewritten: Constant nodes, attributes.
#ifndef ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
#define ONNXQUANT_LIB_REWRITE_CONSTANTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/kernels/half.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/policy.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// What a conversion to fewer bits did, as an error or a warning for the user; "" when nothing was
// lost that rounding does not explain. `what` names the constant.
std::string DescribeOverflow(const kernels::NarrowStats& stats, Overflow overflow,
                             const std::string& what);

// The float32 tensor in `type` (float32 or float16), payload in raw_data. Where the policy says
// error, a finite value beyond the type's range is a kModel error naming `what`; otherwise the
// clamped or infinite values are described in `warnings`, if given.
absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(const Model& model,
                                                     const onnx::TensorProto& tensor,
                                                     ElementType type, Overflow overflow,
                                                     const std::string& what,
                                                     std::vector<std::string>* warnings);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
