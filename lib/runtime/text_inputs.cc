#include "lib/runtime/text_inputs.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

// first, first + 1, … for each sequence.
std::vector<std::int64_t> Counting(const TextShape& shape) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < shape.count * shape.sequences; ++i) {
    values.push_back(shape.before + i % shape.count);
  }
  return values;
}

std::vector<std::int64_t> Filled(std::int64_t count, std::int64_t value) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(count), value);
}

}  // namespace

bool IsTextMask(const std::string& name) {
  return name == "attention_mask" || name == "decoder_attention_mask";
}

std::optional<Tensor> MakeTextInput(const ValueSignature& input, const TextShape& shape) {
  const std::string& name = input.name;
  const std::vector<std::int64_t> dims = {shape.sequences, shape.count};
  if (IsTextMask(name)) {
    const std::int64_t all = shape.before + shape.count;
    return Tensor::OfIntegers(input.type, {shape.sequences, all}, Filled(shape.sequences * all, 1));
  }
  if (name == "position_ids") return Tensor::OfIntegers(input.type, dims, Counting(shape));
  if (name == "token_type_ids") {
    return Tensor::OfIntegers(input.type, dims, Filled(shape.sequences * shape.count, 0));
  }
  if (name == "use_cache_branch") {
    return Tensor::OfIntegers(input.type, {1}, {shape.before > 0 ? 1 : 0});
  }
  if (name == "num_logits_to_keep" || name == "logits_to_keep") {
    return Tensor::OfIntegers(input.type, std::vector<std::int64_t>(input.dims.size(), 1), {0});
  }
  return std::nullopt;
}

absl::StatusOr<Tensor> EmptyCache(const ValueSignature& input, std::int64_t sequences) {
  std::vector<std::int64_t> dims;
  bool open = false;
  for (std::size_t axis = 0; axis < input.dims.size(); ++axis) {
    const Dimension& dim = input.dims[axis];
    dims.push_back(dim.fixed() ? dim.size : axis == 0 ? sequences : 0);
    open |= !dim.fixed() && axis > 0;
  }
  if (!open || !IsFloat(input.type)) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat("cache input '", input.name, "' is ", SignatureText(input),
                                  "; expected floats with an open dimension for the positions"));
  }
  return Tensor::Empty(input.type, std::move(dims));
}

}  // namespace onnxquant
