#include "lib/policy/half_type.h"

#include <algorithm>
#include <vector>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

// The 16-bit type of the model's values, for policies that leave types as they are.
ElementType HalfTypeOfModel(const Analysis& analysis) {
  const auto has = [&analysis](ElementType type) {
    return std::find(analysis.types.begin(), analysis.types.end(), type) != analysis.types.end();
  };
  return has(ElementType::kBFloat16) && !has(ElementType::kFloat16) ? ElementType::kBFloat16
                                                                    : ElementType::kFloat16;
}

}  // namespace

absl::StatusOr<ElementType> HalfTypeOf(const Analysis& analysis, const Policy& policy,
                                       const OutputSpec& output) {
  ElementType half = ElementType::kUndefined;
  absl::string_view codes;
  const auto take = [&](const Settings& set, const SourceMark& mark) -> absl::Status {
    if (set.weights && !set.weights->IsFloat()) codes = set.weights->word;
    std::vector<ElementType> types;
    if (set.compute) types.push_back(*set.compute);
    if (set.io) types.push_back(*set.io);
    if (set.weights) types.push_back(set.weights->type);
    for (const ElementType type : types) {
      if (!IsHalf(type)) continue;
      if (half == ElementType::kUndefined) half = type;
      if (half != type) {
        return PolicyError(mark.ToString(), ": found ", NameOf(type), " where output '",
                           output.dtype, "' already uses ", NameOf(half),
                           "; one output has one 16-bit type: use the same in all of it");
      }
    }
    return absl::OkStatus();
  };
  ONNXQUANT_RETURN_IF_ERROR(take(output.defaults, output.mark));
  for (const Rule& rule : policy.rules) {
    if (AppliesTo(rule, output.dtype)) ONNXQUANT_RETURN_IF_ERROR(take(rule.set, rule.mark));
  }
  if (half == ElementType::kBFloat16 && !codes.empty()) {
    return PolicyError(output.mark.ToString(), ": output '", output.dtype, "' wants ", codes,
                       " weights and bfloat16; codes go with float16 or float32");
  }
  return half == ElementType::kUndefined ? HalfTypeOfModel(analysis) : half;
}

}  // namespace onnxquant
