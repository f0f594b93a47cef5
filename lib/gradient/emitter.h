// Writes nodes one after the other, each under a name that the model has not got.
#ifndef ONNXQUANT_LIB_GRADIENT_EMITTER_H_
#define ONNXQUANT_LIB_GRADIENT_EMITTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct NodeAttribute {
  const char* name = nullptr;
  std::variant<std::int64_t, float, std::vector<std::int64_t>, std::string> value;
};

class Emitter {
 public:
  // Names begin with `prefix`, with more behind it where the graph has such names. `opset` is that
  // of ONNX's own domain: some operators take their axes as an attribute or as an input by it.
  Emitter(const Graph& graph, const std::string& prefix, std::int64_t opset);

  std::int64_t opset() const { return opset_; }

  // The name of the new node's only output. An operator of "com.microsoft" has "ms." before it.
  std::string Make(absl::string_view op, absl::Span<const std::string> inputs,
                   absl::Span<const NodeAttribute> attributes = {});
  // The same with an output of that name, or several of new names.
  void MakeAs(const std::string& output, absl::string_view op, absl::Span<const std::string> inputs,
              absl::Span<const NodeAttribute> attributes = {});
  std::vector<std::string> MakeMany(std::size_t count, absl::string_view op,
                                    absl::Span<const std::string> inputs,
                                    absl::Span<const NodeAttribute> attributes = {});

  // Constants, each once.
  std::string Float(float value);                             // a scalar
  std::string Int(std::int64_t value);                        // a scalar
  std::string Ints(const std::vector<std::int64_t>& values);  // a vector

  // What several rules need, whatever the opset.
  std::string Reduce(const char* op, const std::string& input, std::int64_t axis);  // keeps it
  std::string Unsqueeze(const std::string& input, std::int64_t axis);
  std::string ShapeOf(const std::string& input);
  std::string DimensionOf(const std::string& input, std::int64_t axis);  // a scalar
  // 0, 1, … elements - 1 in the shape of `input`: int64.
  std::string IndicesLike(const std::string& input);
  std::string ZerosOf(const std::string& shape);
  // `gradient` summed over the axes that broadcasting added to `value` or stretched, as the shapes
  // say when the model runs.
  std::string SumTo(const std::string& gradient, const std::string& value);

  // What has been written since it was taken last.
  std::vector<onnx::NodeProto> Take() { return std::exchange(nodes_, {}); }

 private:
  std::string NewName(absl::string_view op);
  std::string Constant(const std::string& key, onnx::TensorProto tensor);

  std::string prefix_;
  std::int64_t opset_;
  std::uint64_t next_ = 0;
  std::vector<onnx::NodeProto> nodes_;
  std::map<std::string, std::string> constants_;  // by what they hold
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_EMITTER_H_
