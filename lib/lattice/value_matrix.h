// A weight's payload as lines of values along one of its axes.
#ifndef ONNXQUANT_LIB_LATTICE_VALUE_MATRIX_H_
#define ONNXQUANT_LIB_LATTICE_VALUE_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// [outer, rows, columns], row-major. A line is a row, or a column of one of the outer ones.
struct ValueMatrix {
  absl::Span<const std::byte> payload;
  ElementType type = ElementType::kFloat;  // float32, float16 or bfloat16
  std::int64_t outer = 1;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  bool along_rows = true;  // a line is a row
  int axis = 0;            // of the weight's dims

  std::int64_t lines() const { return outer * (along_rows ? rows : columns); }
  std::int64_t length() const { return along_rows ? columns : rows; }  // of a line
  // Lines that lie side by side: a multiple of these begins anew.
  std::int64_t neighbours() const { return along_rows ? lines() : columns; }

  // Values [lines, count] from value `first` of line `line` on, into `values`. The lines are
  // neighbours.
  void Read(std::int64_t line, std::int64_t lines, std::int64_t first, std::int64_t count,
            std::vector<float>& values) const;
};

// The ways in which blocks may lie in a weight of these dims: along its last axis (of four axes and
// more all behind the first are one), then along the one before. None where it has fewer than two
// axes, is empty or of another type, or the payload is not as large.
std::vector<ValueMatrix> WaysToRead(absl::Span<const std::byte> payload, ElementType type,
                                    absl::Span<const std::int64_t> dims);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_LATTICE_VALUE_MATRIX_H_
