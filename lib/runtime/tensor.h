// A tensor as it goes into a model and comes out of it.
#ifndef ONNXQUANT_LIB_RUNTIME_TENSOR_H_
#define ONNXQUANT_LIB_RUNTIME_TENSOR_H_

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

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Whether values of the type are floats that Tensor::Floats reads.
bool IsReadableFloat(ElementType type);

// "[1, 128, 262144]".
std::string DimsText(absl::Span<const std::int64_t> dims);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_TENSOR_H_
