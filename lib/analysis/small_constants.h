// The numbers of small constants, which say what a pattern of nodes computes.
#ifndef ONNXQUANT_LIB_ANALYSIS_SMALL_CONSTANTS_H_
#define ONNXQUANT_LIB_ANALYSIS_SMALL_CONSTANTS_H_

#include <optional>
#include <vector>

#include "lib/graph/graph.h"

namespace onnxquant {

// The elements of an initializer or Constant, or what a ConstantOfShape fills with; nothing for any
// other value, for payloads elsewhere, and for more elements than any pattern asks for.
std::optional<std::vector<double>> SmallConstant(const Graph& graph, ValueId value);

// Its only element.
std::optional<double> SmallScalar(const Graph& graph, ValueId value);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_SMALL_CONSTANTS_H_
