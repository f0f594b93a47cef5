// Which nodes of a model a target cannot run, or runs elsewhere than meant.
#ifndef ONNXQUANT_LIB_TARGETS_FIND_LACKS_H_
#define ONNXQUANT_LIB_TARGETS_FIND_LACKS_H_

#include <string>
#include <vector>

#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "lib/targets/target.h"

namespace onnxquant {

// One node and what is wrong with it at a place.
struct Lack {
  NodeId node = kNone;
  // It runs on what is beside (the CPU), and is right there. (Among what is refused: a product,
  // which is no use there.)
  bool beside = false;
  std::string fact;      // by name; "": a kernel is missing for its float type
  std::string found;     // "float16"
  std::string expected;  // "float32"
  std::string remedy;    // "compute: float32"
  std::string says;      // what the runtime says of it
};

struct PlaceLacks {
  const Place* place = nullptr;
  std::vector<Lack> refused;  // by node
  std::vector<Lack> beside;   // likewise
};

// One for each place of the target. Local functions and operators of other domains are not known
// and never lacking. Linear in the graph.
std::vector<PlaceLacks> FindLacks(const Graph& graph, const ValueTypes& types,
                                  const Target& target);

// Of ONNX's own domain.
int OpsetOf(const Graph& graph);

// Where the operator has no kernel in the type `half` at some place of the target, but one in
// float32: a sentence that says so; else "".
std::string WhyNotHalf(const Target& target, const std::string& op, int opset, ElementType half);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TARGETS_FIND_LACKS_H_
