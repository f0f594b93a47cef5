#include "lib/rewrite/constants.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lib/base/error.h"
#include "lib/model/float_payload.h"

namespace onnxquant {

absl::StatusOr<onnx::TensorProto> ConvertSmallTensor(const Model& model,
                                                     const onnx::TensorProto& tensor,
                                                     ElementType type, const Overflowing& beyond,
                                                     const std::string& what,
                                                     std::vector<std::string>* warnings,
                                                     int exponent) {
  kernels::NarrowStats stats;
  std::vector<float> floats(tensor.float_data().begin(), tensor.float_data().end());
  if (floats.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(tensor));
    floats = FloatsOfPayload(bytes, static_cast<ElementType>(tensor.data_type()),
                             IsHalf(type) ? DoubleRounding::kOdd : DoubleRounding::kNearest,
                             ModeOf(beyond.overflow), &stats);
  }
  for (float& number : floats) number = std::ldexp(number, exponent);
  onnx::TensorProto result;
  *result.mutable_dims() = tensor.dims();
  result.set_name(tensor.name());
  result.set_data_type(static_cast<int>(type));
  std::string* raw = result.mutable_raw_data();
  std::vector<std::uint16_t> halves(IsHalf(type) ? floats.size() : 0);
  if (IsHalf(type)) {
    stats = Narrow(floats, type, beyond.overflow, absl::MakeSpan(halves), beyond.limit);
  } else {
    stats.Merge(Limit(absl::MakeSpan(floats), beyond.limit));
  }
  const std::string message = DescribeOverflow(stats, type, beyond.overflow, what, beyond.limit);
  if (!message.empty() && beyond.overflow == Overflow::kError) return ModelError(message);
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
