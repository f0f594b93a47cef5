// A constant operand whose codes keep its shape, whoever reads it: as a matrix, and what its axes
// are to the reader.
#ifndef ONNXQUANT_LIB_FORMATS_OPERAND_H_
#define ONNXQUANT_LIB_FORMATS_OPERAND_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/formats/format.h"
#include "lib/formats/node_sink.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct OperandFit {
  // As Stored has them. With more than two dimensions, those of [..., K, N] or [N, K...].
  std::int64_t k = 0;
  std::int64_t n = 0;
  bool transposed = false;
  int sum_axis = -1;      // along which blocks lie; -1: several, which no block spans
  int channel_axis = -1;  // of the reader's output; of readers that the table has no row of, 0
  std::string reason;
};
OperandFit FitOperand(const WeightReading& reading);

// Equal where the codes are, in the constant's own shape, with scales along Stored::axis.
std::string OperandCodesKey(const Stored& stored);

// The axis along which a Gather picks, counted from the front.
std::int64_t GatherAxis(const onnx::NodeProto& node, std::size_t rank);

// Whether the node, which reads at `input` a constant stored as `stored`, sees its two axes swapped
// by a Transpose between them.
bool SeesSwapped(const Stored& stored, const onnx::NodeProto& node, int input);

// The value of a Transpose of `value`, written once.
std::string Swapped(const std::string& value, NodeSink& sink);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_OPERAND_H_
