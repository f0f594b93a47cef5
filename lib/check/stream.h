// The residual stream as a check sees it: its sums, and how large they become.
#ifndef ONNXQUANT_LIB_CHECK_STREAM_H_
#define ONNXQUANT_LIB_CHECK_STREAM_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// One sum: what a residual Add or a Skip… norm adds up.
struct StreamSum {
  NodeId node = kNone;
  ValueId value = kNone;  // kNone for a Skip… norm that does not hand out its sum
  ElementType type = ElementType::kUndefined;  // that it is computed and stored in
  std::optional<double> measured;              // its peak, where ranges were given
};

struct Stream {
  std::vector<StreamSum> sums;  // in order
  std::optional<double> bound;  // no element is larger, whatever the input: from the weights
  std::string unbounded;        // the value that has no bound; "" when `bound` holds
  bool measured = false;        // ranges were given
  // The width of the norms that read the stream in float16; 0: none does.
  std::int64_t half_norm_width = 0;
  // Which sum a value is, seen through what moves elements or casts them to another float type.
  absl::flat_hash_map<ValueId, std::size_t> sum_of;  // index into `sums`
};

// The weights are read where the stream touches float16 anywhere and no ranges are given. Error
// (kUsage): the ranges are of another model, as they hold none of the sums.
absl::StatusOr<Stream> FindStream(const Model& model, const Analysis& analysis,
                                  const std::optional<Ranges>& ranges);

// How a sum compares to a limit.
enum class Fit { kFits, kExceeds, kUnknown };
Fit FitOf(const Stream& stream, const StreamSum& sum, double limit);

// "a bound from the weights of 4.48e+05", "a measured peak of 1.04e+05".
std::string Magnitude(const Stream& stream, const StreamSum& sum);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECK_STREAM_H_
