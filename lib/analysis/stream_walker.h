// The steps behind FindResidualStream(): one walk along the data flow, with a short walk back at
// each place where a branch (or the embedding) enters the stream.
#ifndef ONNXQUANT_LIB_ANALYSIS_STREAM_WALKER_H_
#define ONNXQUANT_LIB_ANALYSIS_STREAM_WALKER_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/analysis/hazard_context.h"
#include "lib/analysis/residual_stream.h"

namespace onnxquant {

class StreamWalker {
 public:
  StreamWalker(const Graph& graph, const ValueTypes& types, const Roles& roles,
               const std::vector<WeightUse>& uses);
  ResidualStream Run();

 private:
  // What giving a value degree 1 at its source would change.
  struct Absorption {
    std::vector<Use> constants;
    std::vector<NodeId> norms;
    std::vector<ValueId> values;
    int steps = 0;  // how far back the walk has gone
  };

  // stream_walker.cc: along the data flow
  bool Visit(NodeId id);
  bool VisitSum(NodeId id);
  bool VisitNorm(NodeId id);
  bool VisitProduct(NodeId id);
  bool VisitOther(NodeId id);
  bool Give(NodeId id, int degree);  // to all outputs
  bool SetDegree(ValueId value, int degree);
  bool Refuse(NodeId reader, const std::string& why);

  // stream_entries.cc: where the stream begins and branches join it
  void Enter(const Use& use);
  bool Absorb(ValueId value, bool first, Absorption& found) const;
  bool AbsorbProducer(NodeId id, ValueId value, Absorption& found) const;
  bool ReadersAgree(ValueId value, Absorption& found) const;
  bool TakeConstant(NodeId node, int input, Absorption& found) const;
  bool TakeOptionalConstant(NodeId node, int input, Absorption& found) const;

  bool Is(NodeId node, absl::Span<const absl::string_view> ops) const;
  ValueId Input(NodeId node, int input) const;
  int DegreeOf(ValueId value) const { return value == kNone ? 0 : degree_[value]; }
  int DegreeAt(NodeId node, int input) const { return DegreeOf(Input(node, input)); }
  // The weight use behind a slot, if the slot reads a constant that may get a copy of its own.
  std::optional<std::size_t> ScalableUse(NodeId node, int input) const;
  bool IsStreamNode(NodeId node) const { return stream_node_[node]; }

  const Graph& graph_;
  const ValueTypes& types_;
  const Roles& roles_;
  const std::vector<WeightUse>& uses_;
  HazardContext context_;
  ResidualStream stream_;
  IdVector<int> degree_;        // by ValueId
  IdVector<bool> stream_node_;  // by NodeId: a residual Add or a Skip… norm
  IdVector<bool> visited_;      // by NodeId
  absl::flat_hash_set<NodeId> clips_;
  IdVector<int> uses_of_value_;  // by ValueId: how many weight uses a constant has
  absl::flat_hash_map<std::pair<NodeId, int>, std::size_t> use_at_;  // by reader's slot
  std::map<std::size_t, int> scaled_;                                // weight use → degree
  absl::flat_hash_map<NodeId, int> norms_;                           // norm → degree of its input
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_STREAM_WALKER_H_
