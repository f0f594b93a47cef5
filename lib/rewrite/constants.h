// Small constants that are converted while the graph is rewritten: Constant nodes, attributes.
#ifndef ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
#define ONNXQUANT_LIB_REWRITE_CONSTANTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/kernels/half.h"
#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/policy.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// What a conversion to fewer bits did, as an error or a warning for the user; "" when nothing was
// lost that rounding does not explain. `what` names the constant.
std::string DescribeOverflow(const kernels::NarrowStats& stats, ElementType type, Overflow overflow,
                             const std::string& what);

// A warning for a constant of few elements, such as an epsilon, of which some became zero in
// `type`; "" for the rest. In a large weight, a few such values are no loss.
std::string DescribeVanished(const kernels::NarrowStats& stats, ElementType type,
                             std::size_t elements, const std::string& what);

kernels::OverflowMode ModeOf(Overflow overflow);

// Converts to float16 or bfloat16.
kernels::NarrowStats Narrow(absl::Span<const float> in, ElementType type, Overflow overflow,
                            absl::Span<std::uint16_t> out);

// The tensor of any float type, multiplied by 2^exponent, in `type` (of any float type
// too), payload in raw_data. Where the policy says error, a finite value beyond the type's
// range is a kModel error naming `what`; otherwise the clamped or infinite values are described in
// `warnings`, if given.
absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(
    const Model& model, const onnx::TensorProto& tensor, ElementType type, Overflow overflow,
    const std::string& what, std::vector<std::string>* warnings, int exponent = 0);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_CONSTANTS_H_
