#include "lib/rewrite/constants.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

absl::StatusOr<std::vector<float>> FloatsOf(const Model& model, const onnx::TensorProto& tensor) {
  if (tensor.float_data_size() > 0) {
    return std::vector<float>(tensor.float_data().begin(), tensor.float_data().end());
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
  std::vector<float> floats(bytes.size() / sizeof(float));
  if (!floats.empty()) std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

}  // namespace

std::string DescribeOverflow(const kernels::NarrowStats& stats, Overflow overflow,
                             const std::string& what) {
  if (stats.overflowed == 0) return "";
  const std::string found = absl::StrCat(
      what, ": ", stats.overflowed, stats.overflowed == 1 ? " value lies" : " values lie",
      " beyond float16's 65504 (the largest magnitude is ", stats.peak, ")");
  switch (overflow) {
    case Overflow::kClamp:
      return absl::StrCat(found, "; clamped to ±65504 as the policy says");
    case Overflow::kInfinity:
      return absl::StrCat(found, "; made infinite as the policy says");
    case Overflow::kError:
      break;
  }
  return absl::StrCat(found,
                      "; keep it in float32 with a rule (weights: float32), or say "
                      "'constants: {overflow: clamp}'");
}

absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(const Model& model,
                                                     const onnx::TensorProto& tensor,
                                                     ElementType type, Overflow overflow,
                                                     const std::string& what,
                                                     std::vector<std::string>* warnings) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> floats, FloatsOf(model, tensor));
  onnx::TensorProto result;
  *result.mutable_dims() = tensor.dims();
  result.set_name(tensor.name());
  result.set_data_type(static_cast<int>(type));
  std::string* raw = result.mutable_raw_data();
  if (type == ElementType::kFloat) {
    raw->resize(floats.size() * sizeof(float));
    if (!floats.empty()) std::memcpy(raw->data(), floats.data(), raw->size());
    return result;
  }
  std::vector<std::uint16_t> halves(floats.size());
  const auto mode = overflow == Overflow::kClamp ? kernels::OverflowMode::kClamp
                                                 : kernels::OverflowMode::kInfinity;
  const kernels::NarrowStats stats = kernels::FloatToHalf(floats, absl::MakeSpan(halves), mode);
  const std::string message = DescribeOverflow(stats, overflow, what);
  if (!message.empty() && overflow == Overflow::kError) return ModelError(message);
  if (!message.empty() && warnings != nullptr) warnings->push_back(message);
  raw->resize(halves.size() * sizeof(std::uint16_t));
  if (!halves.empty()) std::memcpy(raw->data(), halves.data(), raw->size());
  return result;
}

}  // namespace onnxquant
