// Rows of a table of codes, gathered and made floats by operators that every runtime has.
#ifndef ONNXQUANT_LIB_FORMATS_GATHERED_ROWS_H_
#define ONNXQUANT_LIB_FORMATS_GATHERED_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/formats/format.h"
#include "lib/formats/node_sink.h"
#include "lib/model/element_type.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// The table [V, D] of a Gather of rows as blocks along D, or why it cannot be.
FormatFit FitBlocksOfRows(const Format& form, const WeightFormat& format,
                          const WeightReading& reading);

// A table of 8-bit codes by rows: a row of codes is of `code_dims`; its scales, and zero points, as
// many as fit `scale_dims`, which broadcast to those.
struct CodedTable {
  std::string codes;        // [rows, code_dims...]
  std::string scales;       // in any shape that holds rows of scale_dims
  std::string zero_points;  // likewise; "": `middle` for all
  int middle = 0;
  std::int64_t rows = 0;
  std::vector<std::int64_t> scale_dims;
  ElementType type = ElementType::kFloat;  // of the scales, and of the floats
};

// Makes `last`, a Gather of rows, the Mul that gives (codes - zero points) * scales of the rows
// that it asked for: [indices..., code_dims...]. The nodes before it go to the sink.
void GatherRows(const CodedTable& table, onnx::NodeProto& last, NodeSink& sink);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_GATHERED_ROWS_H_
