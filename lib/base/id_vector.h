// What is known of each node, value or weight, by its number.
#ifndef ONNXQUANT_LIB_BASE_ID_VECTOR_H_
#define ONNXQUANT_LIB_BASE_ID_VECTOR_H_

#include <concepts>
#include <cstddef>
#include <vector>

namespace onnxquant {

// A vector that is indexed with the numbers that things have, which are signed because -1 stands
// for none. A number that is none, or of nothing here, must not be looked up.
template <typename T>
class IdVector : public std::vector<T> {
 public:
  using Base = std::vector<T>;
  using Base::Base;

  typename Base::reference operator[](std::integral auto id) {
    return Base::operator[](static_cast<std::size_t>(id));
  }
  typename Base::const_reference operator[](std::integral auto id) const {
    return Base::operator[](static_cast<std::size_t>(id));
  }
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_ID_VECTOR_H_
