// The inputs of language models that follow from the shape of a text alone.
#ifndef ONNXQUANT_LIB_RUNTIME_TEXT_INPUTS_H_
#define ONNXQUANT_LIB_RUNTIME_TEXT_INPUTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/runtime/signature.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {

// How the names of caches begin.
inline constexpr char kPastPrefix[] = "past_key_values";

// `count` tokens more of each of several sequences, behind `before` that a cache holds.
struct TextShape {
  std::int64_t sequences = 1;
  std::int64_t count = 1;
  std::int64_t before = 0;
};

// attention_mask or decoder_attention_mask.
bool IsTextMask(const std::string& name);

// Masks of ones, positions that count up, token types of zero, whether there is a cache, and how
// many logits to keep (all). Nothing for other inputs; a tensor of kUndefined for one whose type
// cannot hold it.
std::optional<Tensor> MakeTextInput(const ValueSignature& input, const TextShape& shape);

// A cache that holds no position yet. Error (kVerify): no floats with an open dimension.
absl::StatusOr<Tensor> EmptyCache(const ValueSignature& input, std::int64_t sequences);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_TEXT_INPUTS_H_
