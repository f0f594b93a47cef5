// Places where float16 arithmetic is known to go wrong, found in the graph alone, without data.
#ifndef ONNXQUANT_LIB_ANALYSIS_HAZARDS_H_
#define ONNXQUANT_LIB_ANALYSIS_HAZARDS_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// What becomes of a hazard's nodes in a 16-bit type.
enum class InHalf {
  kRight,    // nothing, or what another setting sees to
  kCoarse,   // digits get lost, as they do all over such a file; float32 is better
  kDepends,  // wrong for some data
  kWrong,    // wrong: the graph's constants prove it
};

// Where a hazard is a fault.
enum class HazardTarget { kAny, kCpu };

// Names as policies write them. One table, which the parser, `inspect` and `check` iterate.
struct HazardName {
  const char* name = "";
  const char* meaning = "";
  InHalf in_float16 = InHalf::kDepends;
  InHalf in_bfloat16 = InHalf::kRight;
  HazardTarget target = HazardTarget::kAny;
};
absl::Span<const HazardName> HazardNames();

// Words that name several: all that is not right in one of the types.
inline constexpr char kHazardsOfFloat16[] = "float16";
inline constexpr char kHazardsOfBFloat16[] = "bfloat16";
inline constexpr char kAnyHazard[] = "any";
// Whether a word of a policy names the hazard.
bool IsNamedBy(const std::string& word, const HazardName& hazard);

// One node with one hazard; a chain of nodes with the same hazard gives one for each.
struct Hazard {
  NodeId node = kNone;
  const HazardName* kind = nullptr;  // of HazardNames()
  // The evidence, with the values and constants that show it: "'var' adds 1e-12, which is below
  // float16's smallest normal number 6.1e-05, before the division that makes 'y'".
  std::string why;
};

// The hazards of all nodes that read or make a float of any type, those in subgraphs included, by
// node and then in the order of HazardNames(). What a 16-bit float would do wrong is reported of
// float32 graphs (where it must stay so) and of 16-bit graphs (where it is wrong already) alike.
// Fused operators (Softmax, LayerNormalization …) have none: their kernels accumulate in float32.
// Large initializers are not read. Linear in the graph's size.
std::vector<Hazard> FindHazards(const Graph& graph, const ValueTypes& types);

// Those of one node, among hazards in the order of FindHazards().
absl::Span<const Hazard> HazardsOf(absl::Span<const Hazard> hazards, NodeId node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_HAZARDS_H_
