#include "lib/runtime/inputs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/runtime/random.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kOpenSize = 16;
constexpr std::uint64_t kIntegerRange = 10;
constexpr std::int64_t kPaddedRows = 2;

bool IsMask(const ValueSignature& input) {
  return input.type == ElementType::kBool ||
         (!IsFloat(input.type) && absl::StrContains(input.name, "mask"));
}

}  // namespace

std::int64_t ChooseDimension(const Dimension& dimension, std::size_t axis,
                             const InputOptions& options) {
  if (dimension.fixed()) return dimension.size;
  const auto chosen = options.dims.find(dimension.symbol);
  if (chosen != options.dims.end()) return chosen->second;
  const bool batch =
      dimension.symbol.empty() ? axis == 0 : absl::StrContains(dimension.symbol, "batch");
  if (!batch) return kOpenSize;
  return options.padding == Padding::kNone ? 1 : kPaddedRows;
}

absl::StatusOr<Tensor> MakeInput(const ValueSignature& input, const InputOptions& options) {
  std::vector<std::int64_t> dims;
  std::size_t count = 1;
  for (std::size_t axis = 0; axis < input.dims.size(); ++axis) {
    dims.push_back(ChooseDimension(input.dims[axis], axis, options));
    count *= static_cast<std::size_t>(dims.back());
  }
  Random random(options.seed, input.name);
  Tensor tensor;
  if (IsFloat(input.type)) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random.Normal());
    tensor = Tensor::OfFloats(input.type, dims, std::move(values));
  } else {
    const bool mask = IsMask(input);
    std::vector<std::int64_t> values(count, 1);
    if (!mask) {
      for (auto& value : values) value = static_cast<std::int64_t>(random.Below(kIntegerRange));
    }
    tensor = Tensor::OfIntegers(input.type, dims, values);
  }
  if (tensor.type() == ElementType::kUndefined) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat("input '", input.name, "' is ", SignatureText(input),
                                  ", for which no values can be made up; float32, float16, "
                                  "bfloat16, float64, int64, int32 and bool can"));
  }
  if (options.padding != Padding::kNone &&
      IsPaddingMask(input.name, input.type, input.dims.size())) {
    return WithPadding(tensor, options.padding);
  }
  return tensor;
}

absl::StatusOr<std::vector<NamedTensor>> MakeInputs(const Signature& signature,
                                                    const InputOptions& options) {
  std::vector<NamedTensor> inputs;
  for (const ValueSignature& input : signature.inputs) {
    ONNXQUANT_ASSIGN_OR_RETURN(Tensor tensor, MakeInput(input, options));
    inputs.push_back({input.name, std::move(tensor)});
  }
  return inputs;
}

bool TakesPadding(const Signature& signature, const InputOptions& options) {
  return std::any_of(
      signature.inputs.begin(), signature.inputs.end(), [&](const ValueSignature& input) {
        return IsPaddingMask(input.name, input.type, input.dims.size()) &&
               ChooseDimension(input.dims.back(), input.dims.size() - 1, options) > 1;
      });
}

absl::Status SuggestDimensions(const absl::Status& status, const Signature& signature) {
  std::vector<std::string> open;
  for (const ValueSignature& input : signature.inputs) {
    for (const Dimension& dimension : input.dims) {
      const bool known = std::find(open.begin(), open.end(), dimension.symbol) != open.end();
      if (!dimension.fixed() && !dimension.symbol.empty() && !known)
        open.push_back(dimension.symbol);
    }
  }
  if (status.ok() || open.empty()) return status;
  return MakeError(KindOf(status),
                   absl::StrCat(std::string(status.message()),
                                "; if the made-up inputs do not suit it, give sizes with --dim "
                                "NAME=SIZE; open are ",
                                absl::StrJoin(open, ", ")));
}

}  // namespace onnxquant
