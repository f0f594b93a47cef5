// How nodes of one name differ between two models.
#ifndef ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_
#define ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_

#include <map>
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

using NodesByKey = std::map<std::string, const onnx::NodeProto*>;
NodesByKey NodesOf(const Graph& graph);

// Nodes of equal keys in both that compute something else, sorted by key. Documentation does not
// count; bodies of If, Loop and Scan are attributes.
std::vector<NodeDifference> DiffNodes(const NodesByKey& first, const NodesByKey& second);

// "outputs: y, z and z, y": what the graphs take and give, where that differs.
std::vector<std::string> DiffInterfaces(const onnx::GraphProto& first,
                                        const onnx::GraphProto& second);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_DIFF_NODES_H_
