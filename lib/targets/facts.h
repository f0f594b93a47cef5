// What runtimes lack or get wrong, of one operator each, beyond what kernels.txt tells of float
// types. A new fact is a row in facts.cc.
#ifndef ONNXQUANT_LIB_TARGETS_FACTS_H_
#define ONNXQUANT_LIB_TARGETS_FACTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "lib/targets/target.h"

namespace onnxquant {

// A node as facts see it.
class NodeSight {
 public:
  NodeSight(const Graph& graph, const ValueTypes& types, NodeId id)
      : graph_(graph), types_(types), node_(graph.node(id)) {}

  std::int64_t Int(const char* attribute, std::int64_t fallback) const;
  std::string Text(const char* attribute) const;  // "" where it is absent
  bool Has(const char* attribute) const;
  int InputCount() const { return static_cast<int>(node_.inputs.size()); }
  bool Reads(int input) const;                              // whether it is there
  ElementType InputType(int input) const;                   // kUndefined where it is not
  ElementType OutputType(int output) const;                 // likewise
  std::vector<std::int64_t> ConstantDims(int input) const;  // empty where it is no constant

 private:
  const Graph& graph_;
  const ValueTypes& types_;
  const Node& node_;
};

// What becomes of a node that a fact is about.
enum class Outcome {
  kFails,     // it is given to the kernel, which refuses it or gives wrong numbers
  kMissing,   // there is no kernel: it runs beside, where the place has something beside
  kMisplaced  // likewise, but a product that runs there is no use of the place
};

struct Fact {
  absl::string_view name;
  absl::string_view kernels;  // kWebGpuKernels …
  Version from;               // of ONNX Runtime, included
  Version until;              // excluded; 0.0: it still holds
  absl::string_view op;       // "com.microsoft::QMoE"
  Outcome outcome = Outcome::kFails;
  bool (*when)(const NodeSight& node) = nullptr;  // null: any node of the operator
  absl::string_view found;                        // what is in the file
  absl::string_view expected;                     // what the place takes
  absl::string_view remedy;                       // what to say to the policy
  absl::string_view says;                         // what the runtime says or does
  absl::string_view source;                       // how it is known

  bool HoldsIn(Version version) const {
    return version >= from && (until == Version{} || version < until);
  }
};
absl::Span<const Fact> Facts();

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TARGETS_FACTS_H_
