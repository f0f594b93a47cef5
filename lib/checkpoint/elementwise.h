// Rows of a checkpoint's tensor against lines of a graph's constant.
#ifndef ONNXQUANT_LIB_CHECKPOINT_ELEMENTWISE_H_
#define ONNXQUANT_LIB_CHECKPOINT_ELEMENTWISE_H_

#include <cstdint>
#include <vector>

#include "lib/checkpoint/checkpoint.h"
#include "lib/lattice/value_matrix.h"

namespace onnxquant {

// A tensor of a checkpoint as a matrix, row-major.
struct TensorRows {
  const CheckpointTensor* tensor = nullptr;
  std::int64_t rows = 1;
  std::int64_t columns = 1;

  // Values [rows, count], or a part of one row. `first` and `count` are whole blocks of its type.
  void Read(std::int64_t row, std::int64_t rows_read, std::int64_t first, std::int64_t count,
            std::vector<float>& values) const;
  float At(std::int64_t row, std::int64_t column) const;
};

// Without axes of one element; of four and more, all behind the first are one. Of a stored type.
TensorRows RowsOf(const CheckpointTensor& tensor);

// What an export did to the numbers: x * factor + offset.
struct Transform {
  double factor = 1;
  double offset = 0;
  bool Changes() const { return factor != 1 || offset != 0; }
};

struct ValueDifference {
  std::uint64_t elements = 0;
  std::uint64_t exact = 0;    // equal numbers
  std::uint64_t rounded = 0;  // equal once rounded to a type of 16 bits, or to six digits
  double max_abs = 0;         // of all
  double error = 0;           // sums of squares: of the difference,
  double size = 0;            // and of what the checkpoint has, transformed

  bool Same() const { return exact + rounded == elements; }
  double Relative() const;  // in the Euclidean norm
  void Add(const ValueDifference& other);
};

// Rows of the tensor from `row` on against as many lines from `line` on.
ValueDifference Compare(const TensorRows& tensor, std::int64_t row, std::int64_t rows,
                        const ValueMatrix& matrix, std::int64_t line, const Transform& transform);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_ELEMENTWISE_H_
