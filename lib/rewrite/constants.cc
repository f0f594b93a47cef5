#include "lib/rewrite/constants.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/model/float_payload.h"

namespace onnxquant {
namespace {

// The largest finite number, and the smallest above zero, as messages say them.
struct Limits {
  const char* largest;
  const char* smallest;
};
Limits LimitsOf(ElementType type) {
  if (type == ElementType::kFloat) return {"3.4e38", "1.4e-45"};
  return type == ElementType::kBFloat16 ? Limits{"3.39e38", "9.2e-41"} : Limits{"65504", "6e-8"};
}

}  // namespace

std::string DescribeOverflow(const kernels::NarrowStats& stats, ElementType type, Overflow overflow,
                             const std::string& what) {
  if (stats.overflowed == 0) return "";
  const char* largest = LimitsOf(type).largest;
  const std::string found = absl::StrCat(
      what, ": ", stats.overflowed, stats.overflowed == 1 ? " value lies" : " values lie",
      " beyond ", NameOf(type), "'s ", largest, " (the largest magnitude is ", stats.peak, ")");
  switch (overflow) {
    case Overflow::kClamp:
      return absl::StrCat(found, "; clamped to ±", largest, " as the policy says");
    case Overflow::kInfinity:
      return absl::StrCat(found, "; made infinite as the policy says");
    case Overflow::kError:
      break;
  }
  return absl::StrCat(found,
                      type == ElementType::kFloat
                          ? "; keep it in float64 with a rule (keep: true), or say "
                          : "; keep it in float32 with a rule (weights: float32), or say ",
                      "'constants: {overflow: clamp}'");
}

std::string DescribeVanished(const kernels::NarrowStats& stats, ElementType type,
                             std::size_t elements, const std::string& what) {
  constexpr std::size_t kFew = 16;
  if (stats.underflowed == 0 || elements > kFew) return "";
  return absl::StrCat(what, ": ", stats.underflowed, stats.underflowed == 1 ? " value" : " values",
                      " became 0 in ", NameOf(type), ", whose smallest number is ",
                      LimitsOf(type).smallest,
                      "; if something divides by it, keep its node in float32");
}

kernels::OverflowMode ModeOf(Overflow overflow) {
  return overflow == Overflow::kClamp ? kernels::OverflowMode::kClamp
                                      : kernels::OverflowMode::kInfinity;
}

kernels::NarrowStats Narrow(absl::Span<const float> in, ElementType type, Overflow overflow,
                            absl::Span<std::uint16_t> out) {
  const kernels::OverflowMode mode = ModeOf(overflow);
  return type == ElementType::kBFloat16 ? kernels::FloatToBFloat16(in, out, mode)
                                        : kernels::FloatToHalf(in, out, mode);
}

absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(
    const Model& model, const onnx::TensorProto& tensor, ElementType type, Overflow overflow,
    const std::string& what, std::vector<std::string>* warnings, int exponent) {
  kernels::NarrowStats stats;
  std::vector<float> floats(tensor.float_data().begin(), tensor.float_data().end());
  if (floats.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
    floats = FloatsOfPayload(bytes, static_cast<ElementType>(tensor.data_type()),
                             IsHalf(type) ? DoubleRounding::kOdd : DoubleRounding::kNearest,
                             ModeOf(overflow), &stats);
  }
  for (float& number : floats) number = std::ldexp(number, exponent);
  onnx::TensorProto result;
  *result.mutable_dims() = tensor.dims();
  result.set_name(tensor.name());
  result.set_data_type(static_cast<int>(type));
  std::string* raw = result.mutable_raw_data();
  std::vector<std::uint16_t> halves(IsHalf(type) ? floats.size() : 0);
  if (IsHalf(type)) stats = Narrow(floats, type, overflow, absl::MakeSpan(halves));
  const std::string message = DescribeOverflow(stats, type, overflow, what);
  if (!message.empty() && overflow == Overflow::kError) return ModelError(message);
  const std::string vanished = DescribeVanished(stats, type, floats.size(), what);
  for (const std::string& warning : {message, vanished}) {
    if (!warning.empty() && warnings != nullptr) warnings->push_back(warning);
  }
  if (type == ElementType::kDouble) {
    const std::vector<double> doubles(floats.begin(), floats.end());
    raw->assign(reinterpret_cast<const char*>(doubles.data()), doubles.size() * sizeof(double));
    return result;
  }
  if (type == ElementType::kFloat) {
    raw->resize(floats.size() * sizeof(float));
    if (!floats.empty()) std::memcpy(raw->data(), floats.data(), raw->size());
    return result;
  }
  raw->resize(halves.size() * sizeof(std::uint16_t));
  if (!halves.empty()) std::memcpy(raw->data(), halves.data(), raw->size());
  return result;
}

}  // namespace onnxquant
