#include "lib/analysis/rope_caches.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/analysis/graph_walk.h"

namespace onnxquant {
namespace {

// An operator and its slots.
struct Reader {
  absl::string_view op;
  int cosines = 0;
  int sines = 0;
};
constexpr Reader kReaders[] = {
    {"RotaryEmbedding", 1, 2},
    {"com.microsoft::GroupQueryAttention", 7, 8},
    {"com.microsoft::MRotaryEmbedding", 2, 3},
    {"com.microsoft::PagedAttention", 8, 9},
    {"com.microsoft::RotaryEmbedding", 2, 3},
    {"com.microsoft::SparseAttention", 9, 10},
};

const Reader* ReaderOf(const Graph& graph, NodeId node) {
  const std::string& op = graph.OpName(node);
  const auto* found = std::find_if(std::begin(kReaders), std::end(kReaders),
                                   [&op](const Reader& reader) { return reader.op == op; });
  return found == std::end(kReaders) ? nullptr : found;
}

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<WeightUse>& uses) : graph_(graph), uses_(uses) {}

  RopeCaches Run() {
    FindPairs();
    for (RopeCache& cache : found_.caches) Judge(cache);
    FindMakers();
    return std::move(found_);
  }

 private:
  // Constants by the slots that read them.
  void FindPairs() {
    std::map<std::pair<NodeId, int>, ValueId> constants;
    std::vector<NodeId> readers;
    for (const WeightUse& use : uses_) {
      const Reader* reader = ReaderOf(graph_, use.reader.node);
      if (reader == nullptr) continue;
      if (use.reader.input != reader->cosines && use.reader.input != reader->sines) continue;
      constants[{use.reader.node, use.reader.input}] = use.weight;
      readers.push_back(use.reader.node);
    }
    std::sort(readers.begin(), readers.end());
    readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
    for (const NodeId node : readers) {
      const Reader& reader = *ReaderOf(graph_, node);
      const auto at = [&](int slot) {
        const auto it = constants.find({node, slot});
        return it == constants.end() ? kNone : it->second;
      };
      AddPair(at(reader.cosines), at(reader.sines));
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const auto it = found_.cache_of.find(uses_[i].weight);
      if (it != found_.cache_of.end()) found_.caches[it->second].uses.push_back(i);
    }
  }

  void AddPair(ValueId cosines, ValueId sines) {
    for (const RopeCache& cache : found_.caches) {
      if (cache.cosines == cosines && cache.sines == sines) return;
    }
    const std::size_t index = found_.caches.size();
    RopeCache cache;
    cache.cosines = cosines;
    cache.sines = sines;
    if (cosines == kNone || sines == kNone) {
      cache.refusal = absl::StrCat("the ", cosines == kNone ? "cosines" : "sines",
                                   " that are read beside it are no constant");
    } else if (cosines == sines) {
      cache.refusal = "it is read both as cosines and as sines";
    }
    found_.caches.push_back(std::move(cache));
    for (const ValueId table : {cosines, sines}) {
      if (table == kNone) continue;
      const auto [it, added] = found_.cache_of.try_emplace(table, index);
      if (added || it->second == index) continue;
      for (const std::size_t other : {it->second, index}) {
        found_.caches[other].refusal =
            absl::StrCat("'", graph_.value(table).name, "' is read beside several tables");
      }
    }
  }

  void Judge(RopeCache& cache) const {
    if (!cache.refusal.empty()) return;
    const auto cosines = ConstantShape(graph_, cache.cosines);
    const auto sines = ConstantShape(graph_, cache.sines);
    if (cosines->size() != 2 || *cosines != *sines) {
      cache.refusal = "the cosines and sines are no two matrices of one shape";
      return;
    }
    for (const std::size_t index : cache.uses) {
      const WeightUse& use = uses_[index];
      const Reader* reader = ReaderOf(graph_, use.reader.node);
      const bool cosine = use.weight == cache.cosines;
      const bool turns =
          reader != nullptr && use.reader.input == (cosine ? reader->cosines : reader->sines);
      if (!turns) {
        cache.refusal = absl::StrCat(graph_.Describe(use.reader.node),
                                     ", which is no rotary embedding, reads '",
                                     graph_.value(use.weight).name, "' too");
      } else if (use.transposed) {
        cache.refusal = absl::StrCat("'", graph_.value(use.weight).name, "' is read transposed");
      }
      if (!cache.refusal.empty()) return;
    }
  }

  // From the slots against the data flow, where nothing but constants stands at the end.
  void FindMakers() {
    const IdVector<ValueId> uncast = Uncast(graph_);
    const IdVector<bool> constant = MadeOfConstants();
    VisitedNodes visited(graph_);
    std::vector<bool> is_maker(graph_.nodes().size(), false);
    for (NodeId node = 0; node < static_cast<NodeId>(graph_.nodes().size()); ++node) {
      const Reader* reader = ReaderOf(graph_, node);
      if (reader == nullptr) continue;
      for (const int slot : {reader->cosines, reader->sines}) {
        const ValueId read = InputOf(graph_, node, slot);
        if (read == kNone || !constant[uncast[read]]) continue;
        WalkBack(graph_, uncast[read], visited, [&](NodeId maker) {
          const bool is_new = !is_maker[static_cast<std::size_t>(maker)];
          is_maker[static_cast<std::size_t>(maker)] = true;
          return is_new;
        });
      }
    }
    for (NodeId node = 0; node < static_cast<NodeId>(graph_.nodes().size()); ++node) {
      const bool constant_node = IsAnyOf(graph_, node, {"Constant"});
      if (is_maker[static_cast<std::size_t>(node)] && !constant_node) {
        found_.makers.push_back(node);
      }
    }
  }

  // By value: whether it is a constant of the main graph, or computed from such alone.
  IdVector<bool> MadeOfConstants() const {
    IdVector<bool> constant(graph_.values().size(), false);
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
      const Value& value = graph_.value(id);
      constant[id] = value.producer == kNone && value.initializer != nullptr && !value.graph_input;
    }
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      const bool known = node.bodies.empty() &&
                         std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
                           return input == kNone || constant[input];
                         });
      for (const ValueId output : node.outputs) {
        if (output != kNone) constant[output] = known;
      }
    }
    return constant;
  }

  const Graph& graph_;
  const std::vector<WeightUse>& uses_;
  RopeCaches found_;
};

}  // namespace

RopeCaches FindRopeCaches(const Graph& graph, const std::vector<WeightUse>& uses) {
  return Finder(graph, uses).Run();
}

}  // namespace onnxquant
