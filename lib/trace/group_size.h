// How many values to fetch at once where nothing is known of their size.
#ifndef ONNXQUANT_LIB_TRACE_GROUP_SIZE_H_
#define ONNXQUANT_LIB_TRACE_GROUP_SIZE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace onnxquant {

// What each group took tells how many of the next fit into `memory` bytes. It grows slowly, for the
// first values of a model are often the smallest.
class GroupSize {
 public:
  explicit GroupSize(std::uint64_t memory) : memory_(memory) {}

  std::size_t values() const { return values_; }
  void Learn(std::uint64_t bytes, std::size_t values) {
    const std::uint64_t each = std::max<std::uint64_t>(1, bytes / values);
    values_ = std::clamp<std::size_t>(memory_ / each, 1, values_ * kLargestGrowth);
  }

 private:
  static constexpr std::size_t kFirst = 32;
  static constexpr std::size_t kLargestGrowth = 8;

  std::uint64_t memory_;
  std::size_t values_ = kFirst;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_GROUP_SIZE_H_
