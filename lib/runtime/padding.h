// Rows of texts, sounds and images that end early: which positions are padding.
#ifndef ONNXQUANT_LIB_RUNTIME_PADDING_H_
#define ONNXQUANT_LIB_RUNTIME_PADDING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {

// Rows of masks that end early: what models are fed side by side is seldom of one length.
enum class Padding {
  kNone,
  kRightFirst,  // of the first row the end is padding, of the second the beginning, and so on
  kLeftFirst,
};

// An attention_mask or pixel_mask of integers or booleans, [rows, …, n].
bool IsPaddingMask(const std::string& name, ElementType type, std::size_t rank);

// Sets a quarter of each row of such a mask to zero, as `padding` says.
Tensor WithPadding(const Tensor& mask, Padding padding);

// The mask among inputs; null where there is none.
const Tensor* FindMask(absl::Span<const NamedTensor> inputs);

// Of a tensor that begins with the mask's dimensions, whether each of the mask's positions is kept.
// Nothing where `mask` is null, keeps all, or says nothing of a tensor of such dimensions.
std::vector<bool> KeptPositions(const Tensor* mask, absl::Span<const std::int64_t> dims);

// A tensor [mask's dimensions …, rest …] without the positions that are padding, [kept, rest …];
// one of which the mask says nothing as it is.
Tensor KeptRows(const Tensor* mask, const Tensor& tensor);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_PADDING_H_
