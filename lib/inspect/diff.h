// How two models differ, as plain data.
#ifndef ONNXQUANT_LIB_INSPECT_DIFF_H_
#define ONNXQUANT_LIB_INSPECT_DIFF_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/inspect/diff_nodes.h"
#include "lib/inspect/graph_bytes.h"
#include "lib/model/model.h"

namespace onnxquant {

struct OpDifference {
  std::string op;
  int first = 0;  // nodes of that operator in the first model
  int second = 0;
};

struct TypeDifference {
  std::string value;
  std::string first;
  std::string second;
};

// A constant of one name in both models. Measures compare the values as float32; they are given
// only where both are float tensors of one shape.
struct WeightDifference {
  std::string name;
  std::string first;  // "float32 [4, 5]"
  std::string second;
  bool measured = false;
  std::uint64_t differing = 0;  // elements
  double max_abs = 0;
  double sqnr_db = 0;  // signal to quantization noise; infinite for equal values
  double cosine = 1;
  double scale = 1;  // the factor by which the first comes nearest to the second
};

struct ModelDiff {
  std::vector<OpDifference> ops;              // operators whose counts differ
  std::vector<std::string> only_first_nodes;  // by NodeKey
  std::vector<std::string> only_second_nodes;
  std::vector<NodeDifference> nodes;    // of one name, which compute something else
  std::vector<std::string> interface;   // "outputs: y and z"
  std::vector<ShapeDifference> shapes;  // of inputs and outputs of one name
  std::vector<FunctionDifference> functions;
  std::vector<TypeDifference> types;  // values of one name and different element types
  std::vector<std::string> only_first_weights;
  std::vector<std::string> only_second_weights;
  std::vector<WeightDifference> weights;  // those that differ
  int equal_weights = 0;
  std::vector<std::string> opsets;   // "ai.onnx: 21 and 17", "local: 1 and none"
  std::string ir_version;            // "10 and 8"; "" where it is the same
  std::vector<std::string> summary;  // what matters, in words: see diff_words.h
  GraphBytes first_bytes;            // of the .onnx files; no part of what Empty() says
  GraphBytes second_bytes;

  bool Empty() const {
    return ops.empty() && only_first_nodes.empty() && only_second_nodes.empty() && types.empty() &&
           only_first_weights.empty() && only_second_weights.empty() && weights.empty() &&
           nodes.empty() && interface.empty() && shapes.empty() && functions.empty() &&
           opsets.empty() && ir_version.empty();
  }
};

// Memory stays bounded: weights are compared in slices.
absl::StatusOr<ModelDiff> DiffModels(const std::string& first, const std::string& second);
absl::StatusOr<ModelDiff> DiffModels(const Model& first, const Model& second);
std::string ToJson(const ModelDiff& diff);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_INSPECT_DIFF_H_
