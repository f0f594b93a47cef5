// A model against the checkpoint that it was exported from, by values: names need not agree.
#ifndef ONNXQUANT_LIB_CHECKPOINT_COMPARE_H_
#define ONNXQUANT_LIB_CHECKPOINT_COMPARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/checkpoint/checkpoint.h"
#include "lib/checkpoint/elementwise.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"

namespace onnxquant {

enum class TensorFate {
  kEqual,        // the graph has its values, as they are or as `how` says
  kRounded,      // the same, rounded to 16 bits or in the last digits
  kDiffers,      // its counterpart in the graph has other values
  kReplaced,     // the graph has another tensor's values in its place: a head tied to the embedding
  kMissing,      // the graph has nothing like it
  kNotTrained,   // nothing that training changes: integers, frequencies, masks
  kNotCompared,  // of a type that is not read, or where the graph may have it in codes
};
const char* NameOf(TensorFate fate);  // "equal", "not_trained"

struct ComparedTensor {
  std::string name;
  std::string type;  // in the checkpoint
  std::vector<std::int64_t> shape;
  TensorFate fate = TensorFate::kMissing;
  std::vector<std::string> graph;  // the constants that have it
  std::vector<std::string> how;    // "transposed", "scaled by 25.25", "as 1 + w", "rows 0 … 1023"
  std::string instead;             // kReplaced: the tensor whose values the graph has
  ValueDifference difference;      // where there is a counterpart

  // Whether training that went into it is not in the graph.
  bool Lost() const {
    return fate == TensorFate::kDiffers || fate == TensorFate::kReplaced ||
           fate == TensorFate::kMissing;
  }
};

struct CheckpointComparison {
  std::string path;
  std::vector<std::string> files;
  std::vector<ComparedTensor> tensors;     // by name
  std::vector<std::string> only_in_graph;  // float constants of eight elements and more
  int coded = 0;                           // weights that the graph has in codes: not compared

  int Count(TensorFate fate) const;
  bool Lost() const;
};

// Each tensor is looked for by a few of its values among the constants of its shape or its shape
// turned, then, whole, held against the one it is in; what is left, among rows of larger ones and
// the reverse (fused and split), and among rows in another order. Time: linear in the bytes of
// both. Memory: some megabytes for each thread. Errors (kUsage): the checkpoint cannot be read, or
// changed meanwhile.
absl::StatusOr<CheckpointComparison> CompareWithCheckpoint(const Analysis& analysis,
                                                           const Model& model,
                                                           const std::string& checkpoint,
                                                           int threads = 0);

std::string ToJson(const CheckpointComparison& comparison);

// What matters, a line each: what is lost first.
std::vector<std::string> Words(const CheckpointComparison& comparison);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_COMPARE_H_
