// Weights that the source has in codes already, in blocks with a scale each, and that a node makes
// floats of before products or Gathers read them.
#ifndef ONNXQUANT_LIB_ANALYSIS_CODED_WEIGHTS_H_
#define ONNXQUANT_LIB_ANALYSIS_CODED_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

struct CodedReading {
  Use slot;                 // the right operand of a product, or a Gather's table
  bool transposed = false;  // which sees the two axes swapped
};

// A code c of a block stands for (c - zero point) * scale.
struct CodedWeight {
  NodeId decoder = kNone;  // the node that makes the floats
  ValueId codes = kNone;   // a constant matrix
  ValueId scales = kNone;  // constants: of each block one
  ValueId zero_points = kNone;
  int bits = 0;
  bool is_signed = false;
  int axis = 0;  // along which blocks lie
  std::int64_t block = 0;
  std::vector<std::int64_t> dims;
  std::vector<CodedReading> readers;
  std::vector<NodeId> links;  // Transposes, Casts, Identities between it and its readers
  std::string stays;          // why the codes can have no other reader: a clause; "" where they can
};

// Those that a product or a Gather reads. A new form of sources is a row of the table in
// coded_weights.cc.
std::vector<CodedWeight> FindCodedWeights(const Graph& graph, const ValueTypes& types);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_CODED_WEIGHTS_H_
