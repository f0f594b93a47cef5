// Where the nodes that read a stored weight are written.
#ifndef ONNXQUANT_LIB_FORMATS_NODE_SINK_H_
#define ONNXQUANT_LIB_FORMATS_NODE_SINK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/types/span.h"
#include "lib/formats/node_proto.h"
#include "lib/model/element_type.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

class NodeSink {
 public:
  virtual ~NodeSink() = default;
  // Names that nothing has yet: as wanted, or with a number behind.
  virtual std::string UniqueValue(const std::string& wanted) = 0;
  virtual std::string UniqueNode(const std::string& wanted) = 0;
  // A node before the one that is being written.
  virtual onnx::NodeProto& AddNode() = 0;
  // The value that `make` gave when it was first asked for under this key, in this graph or one
  // around it.
  virtual std::string Once(const std::string& key, const std::function<std::string()>& make) = 0;
  // Imports the domain if the model does not yet.
  virtual void RequireOpset(const char* domain, int version) = 0;
};

// Adds a Constant node; returns the name of its output.
std::string AddConstant(NodeSink& sink, const std::string& wanted, onnx::TensorProto tensor);
// A scalar of float64, float32, float16 or bfloat16, rounded to nearest.
onnx::TensorProto ScalarTensor(double number, ElementType type);
// A Constant holds integers from this opset on.
inline constexpr int kOpsetOfIntegerConstants = 9;
std::string AddInts(NodeSink& sink, const std::string& wanted,
                    absl::Span<const std::int64_t> values);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_NODE_SINK_H_
