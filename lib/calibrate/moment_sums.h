// Adds up x xᵀ of many values' rows, on all cores.
#ifndef ONNXQUANT_LIB_CALIBRATE_MOMENT_SUMS_H_
#define ONNXQUANT_LIB_CALIBRATE_MOMENT_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/runtime/tensor.h"
#include "lib/statistics/statistics.h"

namespace onnxquant {

// Rows are kept until there are kMomentRows of a value, and then added as one: the sums hang on the
// rows and their order alone, not on steps or threads. Float32 throughout. An entry (i, j) of n
// rows is wrong by at most (kMomentRows + n / kMomentRows) * 2^-24 * Σ |x_i x_j|, and Σ |x_i x_j|
// is at most √(H_ii H_jj): 3.4e-5 of that for 24,576 rows, 1.5e-4 for a million.
inline constexpr std::size_t kMomentRows = 512;

class MomentSums {
 public:
  struct Shape {
    std::string value;
    std::int64_t size = 0;  // K
    std::string place;      // for messages: "layer 3"; "" for none
  };
  explicit MomentSums(std::vector<Shape> shapes, int threads = 0);

  // What sums and rows of a value of K elements take in memory.
  static std::uint64_t BytesFor(std::int64_t size);

  // Adds the rows of each value's tensor [..., K]. Errors (kVerify): a tensor of another shape or
  // type, NaN or infinity; the value is named, and the sums are lost.
  absl::Status Add(absl::Span<const Tensor> tensors) { return Add(tensors, {}); }
  // The same of rows that are first multiplied with a factor each; by tensor.
  absl::Status Add(absl::Span<const Tensor> tensors, absl::Span<const std::vector<float>> factors);

  // What has been summed of a value so far, to be saved, or set to what was saved of the same.
  struct State {
    const std::string& value;
    std::int64_t size = 0;
    std::uint64_t& count;    // rows in `sums`
    std::size_t& kept;       // rows that wait to be added
    absl::Span<float> sums;  // [K, K], of which what is below the diagonal says nothing
    absl::Span<float> kept_rows;
  };
  // In the order of `shapes`; valid until the sums are changed otherwise.
  std::vector<State> States();

  // With what is kept so far. In the order of `shapes`.
  absl::StatusOr<std::vector<Moments>> Finish() &&;

 private:
  struct Kept {
    Shape shape;
    std::size_t panels = 0;
    std::size_t rows = 0;           // in `panel_rows`
    std::vector<float> panel_rows;  // panel by panel, kMomentRows of each (see kernels/gram.h)
    Moments moments;                // above the diagonal only, until Finish()
  };

  absl::Status CheckShape(const Kept& kept, const Tensor& tensor) const;
  absl::Status Keep(Kept& kept, const Tensor& tensor, absl::Span<const float> factors,
                    std::size_t first, std::size_t count) const;
  // Of the values that have kMomentRows rows, or any with `all`.
  absl::Status AddKept(bool all);

  std::vector<Kept> values_;
  int threads_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_MOMENT_SUMS_H_
