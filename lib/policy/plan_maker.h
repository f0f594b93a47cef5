// Makes the plan of one output. The steps, in order: nodes that a rule or an operator's arithmetic
// decides; graph inputs and outputs; nodes that only move data, which take the type that costs the
// fewest casts; weights; the Casts that the source model has.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_MAKER_H_
#define ONNXQUANT_LIB_POLICY_PLAN_MAKER_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "lib/policy/plan_context.h"
#include "lib/policy/settings.h"
#include "lib/policy/value_names.h"

namespace onnxquant {

// One float value of the input as the placing of casts sees it: who makes it and who reads it, each
// either a node whose type is still open or a type that is decided. What a Cast between float types
// makes of a value is the same value.
struct MoverEdge {
  struct End {
    NodeId open = kNone;
    ElementType type = ElementType::kUndefined;  // when `open` is kNone
  };
  End source;
  std::vector<End> readers;
  bool io = false;  // an input or output of the model
};

// Open nodes that share a value, and the values between them: one problem to solve.
struct Region {
  std::vector<NodeId> nodes;
  std::vector<MoverEdge> edges;
};

class PlanMaker {
 public:
  // `half`: the 16-bit type that the output uses. `origin` names the model in messages.
  PlanMaker(const Analysis& analysis, const Policy& policy, const OutputSpec& output,
            ElementType half, const std::string& origin, const Evidence& evidence);

  absl::StatusOr<OutputPlan> Make();
  const SettingsResolver& resolver() const { return resolver_; }

 private:
  // How the residual stream is scaled (by 2^-exponent), or how large it is, and how that is known.
  struct Scale {
    int exponent = 0;
    std::string why;
  };
  struct StreamPeak {
    double peak = 0;
    double margin = 1;
    std::string why;
  };

  // plan_nodes.cc
  void ResolveNodes();
  void SettleValueTypes();
  Resolved ResolveNode(NodeId id);
  ElementType Produced(ValueId value) const;
  ElementType SourceCompute(NodeId id) const;
  bool MayMixTypes(NodeId id) const;

  // plan_casts.cc
  void FindTransparent();
  void FollowIoTypes();
  void FindRoots();
  void SettleCasts();
  bool MakesMainOutput(NodeId id) const;
  bool IsOpenCast(NodeId id) const;

  // plan_residual.cc
  absl::Status PlanResidual();
  void TakeClipsOut();
  bool ReachesHalf(ValueId value) const;
  absl::Status Rescale(NodeId asked);
  absl::StatusOr<Scale> ChooseScale(NodeId asked) const;
  absl::StatusOr<StreamPeak> PeakOfStream(NodeId asked) const;
  void KeepSmallEpsilons(int k, const std::string& by);
  void KeepFloat32(NodeId id, const Reason& reason);
  const ResidualSetting* ResidualAt(NodeId id) const;
  const Reason* ResidualReason(NodeId id) const;

  // plan_movers.cc
  void KeepIslands();
  void DecideDataMovers();
  std::map<NodeId, Region> OpenRegions() const;
  bool IsLight(NodeId id) const;
  bool IsQuantizedUnit(NodeId id) const;
  MoverEdge EdgeOf(ValueId value) const;
  void AddReaders(ValueId value, MoverEdge& edge) const;
  void SetMover(NodeId id, ElementType type, const std::string& why);
  // A reason that many nodes may share.
  const Reason& Because(const std::string& source, const std::string& effect);

  // plan.cc
  void PlanIo();

  const NodeTraits& Traits(NodeId id) const { return analysis_.Traits(id, plan_.half); }
  ElementType OriginalType(ValueId id) const {
    return analysis_.types[static_cast<std::size_t>(id)];
  }
  bool IsTransparent(NodeId id) const {
    return id != kNone && transparent_[static_cast<std::size_t>(id)];
  }
  NodePlan& PlanOf(NodeId id) { return plan_.nodes[static_cast<std::size_t>(id)]; }
  const NodePlan& PlanOf(NodeId id) const { return plan_.nodes[static_cast<std::size_t>(id)]; }

  const Analysis& analysis_;
  const Policy& policy_;
  const PlanContext context_;
  const std::string& origin_;
  const Evidence& evidence_;
  SettingsResolver resolver_;
  OutputPlan plan_;
  std::vector<Resolved> resolved_;                        // by NodeId
  std::vector<std::vector<std::size_t>> uses_of_reader_;  // by NodeId: indices into weight_uses
  std::vector<int> exponents_;         // by index of weight_uses: the factor of the reading
  std::vector<bool> floating_;         // by NodeId: a data mover whose type is still open
  std::vector<bool> transparent_;      // by NodeId: its output has the type of its first input
  std::vector<ValueId> roots_;         // by ValueId: what it is before the transparent nodes
  std::vector<bool> stored_;           // by ValueId: a constant behind Transposes and Casts
  bool rescaled_ = false;              // the residual stream
  std::vector<ElementType> io_types_;  // by ValueId
  absl::flat_hash_map<std::pair<std::string, std::string>, Reason> reasons_;
  ValueNames names_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_MAKER_H_
