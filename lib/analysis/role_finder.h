// The detectors behind FindRoles(), in the order in which Run() calls them: each builds on the
// roles that the earlier ones found.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROLE_FINDER_H_
#define ONNXQUANT_LIB_ANALYSIS_ROLE_FINDER_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/analysis/roles.h"
#include "lib/graph/graph.h"

namespace onnxquant {

class RoleFinder {
 public:
  explicit RoleFinder(const Graph& graph);
  Roles Run();

 private:
  // A MatMul with a constant operand, in whatever form.
  struct WeightMatMul {
    ValueId weight = kNone;    // the constant itself, behind Transpose or DequantizeLinear
    std::int64_t columns = 0;  // N: outputs per row
  };
  // One attention: the op itself, or the Softmax of a decomposed one with its two MatMuls.
  struct Attention {
    NodeId node = kNone;
    ValueId query = kNone, key = kNone, value = kNone;
    ValueId output = kNone;
  };

  static constexpr int kMostVisited = 4000;
  static constexpr int kMostBesideSoftmax = 512;  // between a Softmax and the products beside it
  static constexpr std::size_t kMostEdges = 64'000;

  // role_finder.cc
  void FindByOperator();
  bool Is(NodeId node, std::initializer_list<const char*> ops) const;
  void Assign(NodeId node, Role role, const std::string& evidence);
  Role RoleAt(NodeId node) const { return roles_.nodes[static_cast<std::size_t>(node)].role; }
  ValueId ConstantBehind(ValueId value) const;
  bool IsConstant(ValueId value) const { return ConstantBehind(value) != kNone; }
  std::optional<WeightMatMul> WeightMatMulAt(NodeId node) const;
  bool IsWeightMatMul(NodeId node) const;
  bool HoldsWeights(NodeId node) const;
  ValueId Input(NodeId node, int input) const;
  ValueId Output(NodeId node, int output = 0) const;
  // The value that `value` is a rounded or widened form of: before Casts to float types, and before
  // a Clip of a sum, such as conversions to float16 put behind it.
  ValueId Uncast(ValueId value) const;
  // Depth-first from the producer of `value` against the data flow. `visit` returns whether to go
  // on through that node. Visits each node once, at most `most` of them, and looks at no more
  // than kMostEdges edges.
  void WalkBack(ValueId value, const std::function<bool(NodeId)>& visit,
                int most = kMostVisited) const;
  // The same along the data flow, from the readers of `value`.
  void WalkForward(ValueId value, const std::function<bool(NodeId)>& visit,
                   int most = kMostVisited) const;

  // roles_embedding.cc
  void FindEmbeddings();
  void FindLmHead();
  bool ComesFromTokenIds(ValueId value) const;
  bool LeadsToOutput(NodeId node, ValueId* output) const;

  // roles_residual.cc
  void FindResiduals();
  bool DependsThroughWeights(ValueId later, ValueId earlier) const;
  bool IsAttentionScore(NodeId add) const;

  // roles_attention.cc
  void FindAttentions();
  void FindDecomposedAttention(NodeId softmax);
  void FindProjections();
  void FindKvCache();
  ValueId HandedOutAs(ValueId value) const;
  void MarkCache(ValueId past, ValueId present, const std::string& evidence);
  std::vector<NodeId> ProjectionsBehind(ValueId value) const;

  // roles_mlp.cc
  void FindMlps();
  bool EndsInResidual(NodeId matmul) const;
  void SplitGated(NodeId mul, const std::string& down);
  bool HasActivation(ValueId value) const;

  // roles_layers.cc
  void NumberLayers();
  std::vector<bool> DescendsFromStream() const;

  // The nodes that one search has seen: one array serves all searches, so that each costs no more
  // than what it visits.
  class Seen {
   public:
    void Clear(std::size_t nodes) {
      marks_.resize(nodes, 0);
      ++round_;
      count_ = 0;
    }
    // False if the node was there already.
    bool Insert(NodeId node) {
      int& mark = marks_[static_cast<std::size_t>(node)];
      if (mark == round_) return false;
      mark = round_;
      ++count_;
      return true;
    }
    int count() const { return count_; }

   private:
    std::vector<int> marks_;
    int round_ = 0;
    int count_ = 0;
  };

  const Graph& graph_;
  Roles roles_;
  std::vector<int> position_;  // by NodeId: place in graph_.order()
  std::vector<Attention> attentions_;
  absl::flat_hash_set<std::int64_t> vocabularies_;  // rows of the embeddings' tables
  absl::flat_hash_set<ValueId> tables_;
  enum class Known : std::uint8_t { kNot, kNo, kYes };
  mutable std::vector<Known> weight_matmuls_;  // by NodeId
  mutable std::vector<Known> holders_;         // by NodeId: what HoldsWeights() says
  mutable std::vector<ValueId> uncast_;        // by ValueId; kNone: not known yet
  // What ProjectionsBehind() has found.
  mutable absl::flat_hash_map<ValueId, std::vector<NodeId>> projections_;
  mutable Seen seen_;
  mutable Seen seen_weighed_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLE_FINDER_H_
