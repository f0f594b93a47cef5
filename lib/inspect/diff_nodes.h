// How nodes, functions, inputs and outputs of one name differ between two models.
#ifndef ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_
#define ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/graph/graph.h"

namespace onnxquant {

struct NodeDifference {
  std::string name;
  std::string what;  // "operator", "inputs", "outputs", "attribute axis", or several of them
};

// Where nodes stand that no name tells apart: "'v' of Add", by the first output.
std::string NodeKey(const onnx::NodeProto& node);

// Tells things of one name apart, in the order in which they stand: "add", "add (2)".
class Numbered {
 public:
  std::string Next(const std::string& name);

 private:
  std::map<std::string, int> last_;  // by name
  std::set<std::string> taken_;
};

// Those of the model's own functions too: "local::F: add".
using NodesByKey = std::map<std::string, const onnx::NodeProto*>;
NodesByKey NodesOf(const Graph& graph);

// Nodes of equal keys in both that compute something else, sorted by key. Documentation does not
// count; bodies of If, Loop and Scan are attributes.
std::vector<NodeDifference> DiffNodes(const NodesByKey& first, const NodesByKey& second);

// "outputs: y, z and z, y": what the graphs take and give, where that differs.
std::vector<std::string> DiffInterfaces(const onnx::GraphProto& first,
                                        const onnx::GraphProto& second);

// An input or output of one name in both.
struct ShapeDifference {
  std::string value;
  bool input = false;
  std::string first;  // "[n, 4]"; "unknown"
  std::string second;
};
std::vector<ShapeDifference> DiffShapes(const onnx::GraphProto& first,
                                        const onnx::GraphProto& second);

// "[n, 4]", "?" where a dimension has neither size nor name; "" where the type has no shape.
std::string ShapeText(const onnx::ValueInfoProto& info);

// "local::F": functions that only one model has, or whose inputs, outputs, attributes or opsets
// differ. Their nodes are part of NodesOf().
struct FunctionDifference {
  std::string name;
  std::string what;  // "only in the first", "inputs, opsets"
};
std::vector<FunctionDifference> DiffFunctions(const onnx::ModelProto& first,
                                              const onnx::ModelProto& second);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_
