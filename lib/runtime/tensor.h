// A tensor as it goes into a model and comes out of it.
#ifndef ONNXQUANT_LIB_RUNTIME_TENSOR_H_
#define ONNXQUANT_LIB_RUNTIME_TENSOR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// Row-major elements in the machine's (little-endian) form, as ONNX's raw data. Copies share the
// payload, which nobody changes.
class Tensor {
 public:
  Tensor() = default;
  // `bytes` stay valid as long as `owner` lives.
  Tensor(ElementType type, std::vector<std::int64_t> dims, std::shared_ptr<const void> owner,
         absl::Span<const std::byte> bytes);

  // As many values as the product of `dims` says.
  template <typename T>
  static Tensor Of(ElementType type, std::vector<std::int64_t> dims, std::vector<T> values) {
    auto owner = std::make_shared<std::vector<T>>(std::move(values));
    const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(owner->data()),
                                            owner->size() * sizeof(T));
    return Tensor(type, std::move(dims), std::move(owner), bytes);
  }
  // Integers as int64, int32, bool or a float type; floats as float32, float16, bfloat16 or
  // double. Other types give a tensor of kUndefined.
  static Tensor OfIntegers(ElementType type, std::vector<std::int64_t> dims,
                           absl::Span<const std::int64_t> values);
  static Tensor OfFloats(ElementType type, std::vector<std::int64_t> dims,
                         std::vector<float> values);
  // A tensor without elements: one of `dims` is 0.
  static Tensor Empty(ElementType type, std::vector<std::int64_t> dims);

  ElementType type() const { return type_; }
  const std::vector<std::int64_t>& dims() const { return dims_; }
  absl::Span<const std::byte> bytes() const { return bytes_; }
  std::size_t elements() const;

  // Whether Floats() can read it: float32, float16, bfloat16, double.
  bool is_float() const;

  // Elements [first, first + count) as float32; `scratch` holds them where they are not float32
  // already, and must outlive the result. Doubles are rounded to nearest.
  absl::Span<const float> Floats(std::size_t first, std::size_t count,
                                 std::vector<float>& scratch) const;

 private:
  ElementType type_ = ElementType::kUndefined;
  std::vector<std::int64_t> dims_;
  std::shared_ptr<const void> owner_;
  absl::Span<const std::byte> bytes_;
};

// Calls visit(floats) with all elements of a float tensor in order, a slice at a time, so that
// halves are never widened as a whole.
template <typename Visit>
void VisitFloats(const Tensor& tensor, Visit visit) {
  constexpr std::size_t kSlice = 1 << 16;
  std::vector<float> scratch;
  for (std::size_t first = 0; first < tensor.elements(); first += kSlice) {
    visit(tensor.Floats(first, std::min(kSlice, tensor.elements() - first), scratch));
  }
}

// Calls visit(a's floats, b's floats) likewise; the tensors have as many elements.
template <typename Visit>
void VisitFloatPairs(const Tensor& a, const Tensor& b, Visit visit) {
  std::size_t first = 0;
  std::vector<float> scratch;
  VisitFloats(a, [&](absl::Span<const float> floats) {
    visit(floats, b.Floats(first, floats.size(), scratch));
    first += floats.size();
  });
}

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// "[1, 128, 262144]".
std::string DimsText(absl::Span<const std::int64_t> dims);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_TENSOR_H_
