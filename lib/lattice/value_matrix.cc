#include "lib/lattice/value_matrix.h"

#include <cstring>
#include <functional>
#include <numeric>

#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

std::size_t Place(std::int64_t place) {
  return static_cast<std::size_t>(place);
}

// `count` values from element `first` on.
void ReadRun(const ValueMatrix& matrix, std::int64_t first, std::int64_t count, float* values,
             std::vector<std::uint16_t>& halves) {
  if (matrix.type == ElementType::kFloat) {
    std::memcpy(values, matrix.payload.data() + Place(first) * 4, Place(count) * 4);
    return;
  }
  halves.resize(Place(count));
  std::memcpy(halves.data(), matrix.payload.data() + Place(first) * 2, Place(count) * 2);
  const absl::Span<float> to(values, Place(count));
  if (matrix.type == ElementType::kFloat16) {
    kernels::HalfToFloat(halves, to);
  } else {
    kernels::BFloat16ToFloat(halves, to);
  }
}

}  // namespace

void ValueMatrix::Read(std::int64_t line, std::int64_t lines, std::int64_t first,
                       std::int64_t count, std::vector<float>& values) const {
  std::vector<std::uint16_t> halves;
  values.resize(Place(lines * count));
  if (along_rows) {
    for (std::int64_t i = 0; i < lines; ++i) {
      ReadRun(*this, (line + i) * columns + first, count, values.data() + i * count, halves);
    }
    return;
  }
  const std::int64_t begin = line / columns * rows * columns + line % columns;
  std::vector<float> row(Place(lines));
  for (std::int64_t k = 0; k < count; ++k) {
    ReadRun(*this, begin + (first + k) * columns, lines, row.data(), halves);
    for (std::int64_t i = 0; i < lines; ++i) values[Place(i * count + k)] = row[Place(i)];
  }
}

std::vector<ValueMatrix> WaysToRead(absl::Span<const std::byte> payload, ElementType type,
                                    absl::Span<const std::int64_t> dims) {
  const bool known = type == ElementType::kFloat || type == ElementType::kFloat16 ||
                     type == ElementType::kBFloat16;
  if (!known || dims.size() < 2) return {};
  const std::int64_t elements =
      std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
  const int width = type == ElementType::kFloat ? 4 : 2;
  if (elements <= 0 || static_cast<std::int64_t>(payload.size()) != elements * width) return {};
  ValueMatrix matrix;
  matrix.payload = payload;
  matrix.type = type;
  if (dims.size() > 3) {
    matrix.rows = dims[0];
    matrix.columns = elements / dims[0];
    matrix.axis = 1;
    return {matrix};
  }
  matrix.outer = dims.size() == 3 ? dims[0] : 1;
  matrix.rows = dims[dims.size() - 2];
  matrix.columns = dims.back();
  matrix.axis = static_cast<int>(dims.size()) - 1;
  ValueMatrix turned = matrix;
  turned.along_rows = false;
  turned.axis = matrix.axis - 1;
  return {matrix, turned};
}

}  // namespace onnxquant
