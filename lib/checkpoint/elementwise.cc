#include "lib/checkpoint/elementwise.h"

#include <algorithm>
#include <cmath>

#include "lib/checkpoint/graph_weights.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kPartValues = 1 << 16;  // a multiple of every type's block

// A factor is known from samples, which may have been rounded.
constexpr double kRoundedFactor = 1.0 / 256;
constexpr double kSixDigits = 1e-6;

// Whether `expected` comes to `found` when it is rounded.
bool Rounds(float expected, float found, double share) {
  if (std::abs(double{expected} - double{found}) <= share * std::abs(double{expected})) return true;
  std::uint16_t narrow = 0;
  float rounded = 0;
  kernels::RoundToHalf({&expected, 1}, {&rounded, 1}, kernels::OverflowMode::kInfinity);
  if (rounded == found) return true;
  kernels::FloatToBFloat16({&expected, 1}, {&narrow, 1}, kernels::OverflowMode::kInfinity);
  kernels::BFloat16ToFloat({&narrow, 1}, {&rounded, 1});
  return rounded == found;
}

ValueDifference CompareParts(const std::vector<float>& given, const std::vector<float>& found,
                             const Transform& transform) {
  const double share = transform.factor == 1 ? kSixDigits : kRoundedFactor;
  ValueDifference difference;
  difference.elements = given.size();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const double expected = double{given[i]} * transform.factor + transform.offset;
    const double error = std::abs(double{found[i]} - expected);
    difference.size += expected * expected;
    if (error == 0 || (std::isnan(expected) && std::isnan(found[i]))) {
      ++difference.exact;
      continue;
    }
    difference.max_abs = std::max(difference.max_abs, error);
    difference.error += error * error;
    if (Rounds(static_cast<float>(expected), found[i], share)) ++difference.rounded;
  }
  return difference;
}

}  // namespace

void TensorRows::Read(std::int64_t row, std::int64_t rows_read, std::int64_t first,
                      std::int64_t count, std::vector<float>& values) const {
  const StoredType& type = *tensor->stored;
  values.resize(static_cast<std::size_t>(rows_read * count));
  const std::int64_t at = (row * columns + first) / type.block * type.bytes;
  ReadStored(type, tensor->payload + at, absl::MakeSpan(values));
}

float TensorRows::At(std::int64_t row, std::int64_t column) const {
  const std::int64_t block = tensor->stored->block;
  std::vector<float> values;
  Read(row, 1, column / block * block, block, values);
  return values[static_cast<std::size_t>(column % block)];
}

TensorRows RowsOf(const CheckpointTensor& tensor) {
  TensorRows rows;
  rows.tensor = &tensor;
  const std::vector<std::int64_t> dims = Squeezed(tensor.shape);
  const std::int64_t elements = tensor.elements();
  if (dims.empty() || elements == 0) {
    rows.columns = elements;
  } else if (dims.size() > 3) {
    rows.rows = dims[0];
    rows.columns = elements / dims[0];
  } else {
    rows.columns = dims.back();
    rows.rows = elements / dims.back();
  }
  return rows;
}

double ValueDifference::Relative() const {
  if (error == 0) return 0;
  return size == 0 ? HUGE_VAL : std::sqrt(error / size);
}

void ValueDifference::Add(const ValueDifference& other) {
  elements += other.elements;
  exact += other.exact;
  rounded += other.rounded;
  max_abs = std::max(max_abs, other.max_abs);
  error += other.error;
  size += other.size;
}

ValueDifference Compare(const TensorRows& tensor, std::int64_t row, std::int64_t rows,
                        const ValueMatrix& matrix, std::int64_t line, const Transform& transform) {
  ValueDifference all;
  std::vector<float> given;
  std::vector<float> found;
  const std::int64_t count = std::min(tensor.columns, kPartValues);
  for (std::int64_t done = 0; done < rows;) {
    // Lines that are read together lie side by side.
    const std::int64_t together =
        std::min({rows - done, std::max<std::int64_t>(1, kPartValues / count),
                  matrix.neighbours() - (line + done) % matrix.neighbours()});
    const std::int64_t some = count < tensor.columns ? 1 : together;
    for (std::int64_t first = 0; first < tensor.columns; first += count) {
      const std::int64_t part = std::min(count, tensor.columns - first);
      tensor.Read(row + done, some, first, part, given);
      matrix.Read(line + done, some, first, part, found);
      all.Add(CompareParts(given, found, transform));
    }
    done += some;
  }
  return all;
}

}  // namespace onnxquant
