// Floats in types of fewer bits: what is done with those that do not fit, and how it is told.
#ifndef ONNXQUANT_LIB_FORMATS_NARROW_H_
#define ONNXQUANT_LIB_FORMATS_NARROW_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/kernels/half.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// What becomes of constants beyond the type's range.
enum class Overflow : std::uint8_t { kError, kClamp, kInfinity };

// What a conversion to fewer bits did, as an error or a warning for the user; "" when nothing was
// lost that rounding does not explain. `what` names the constant; `limit` as of Narrow().
std::string DescribeOverflow(const kernels::NarrowStats& stats, ElementType type, Overflow overflow,
                             const std::string& what, double limit = 0);

// A warning for a constant of few elements, such as an epsilon, of which some became zero in
// `type`; "" for the rest. In a large weight, a few such values are no loss.
std::string DescribeVanished(const kernels::NarrowStats& stats, ElementType type,
                             std::size_t elements, const std::string& what);

kernels::OverflowMode ModeOf(Overflow overflow);

// Converts to float16 or bfloat16. A `limit` above 0 stands for the end of the type's range: finite
// numbers beyond it become ±limit, and count as overflowed.
kernels::NarrowStats Narrow(absl::Span<const float> in, ElementType type, Overflow overflow,
                            absl::Span<std::uint16_t> out, double limit = 0);

// Finite numbers beyond ±limit become that, and count as overflowed; 0 is no limit.
kernels::NarrowStats Limit(absl::Span<float> numbers, double limit);

// What narrowing one constant for one output did, over all its tiles. Thread-safe.
class NarrowAccount {
 public:
  // `what` names the constant; `type` is what its numbers are rounded to.
  NarrowAccount(std::string what, ElementType type, Overflow overflow, double limit = 0)
      : what_(std::move(what)), type_(type), overflow_(overflow), limit_(limit) {}

  const std::string& what() const { return what_; }
  ElementType type() const { return type_; }
  Overflow overflow() const { return overflow_; }
  double limit() const { return limit_; }

  // An error where the policy says that none may overflow and one did.
  absl::Status Add(const kernels::NarrowStats& stats);

  // After the last tile of a constant of so many elements.
  void Warn(std::size_t elements, std::vector<std::string>& warnings) const;

 private:
  std::string what_;
  ElementType type_;
  Overflow overflow_;
  double limit_;
  std::mutex mutex_;
  kernels::NarrowStats stats_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_NARROW_H_
