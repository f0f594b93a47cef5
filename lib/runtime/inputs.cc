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

}  // namespace

std::int64_t ChooseDimension(const Dimension& dimension, std::size_t axis,
                             const InputOptions& options) {
  if (dimension.fixed()) return dimension.size;
  const auto chosen = options.dims.find(dimension.symbol);
  if (chosen != options.dims.end()) return chosen->second;
  const bool batch =
      dimension.symbol.empty() ? axis == 0 : absl::StrContains(dimension.symbol, "batch");
  return batch ? 1 : kOpenSize;
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
    const bool mask = input.type == ElementType::kBool || absl::StrContains(input.name, "mask");
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
