// What is made once and then read by all that need it, by the graph in which it stands.
#ifndef ONNXQUANT_LIB_REWRITE_MADE_ONCE_H_
#define ONNXQUANT_LIB_REWRITE_MADE_ONCE_H_

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Where to look for what stands already.
enum class Look {
  kAround,  // in the graph that is being written and in those around it, whose values it can read
  kHere,    // only in the graph that is being written
};

template <typename Key, typename Made>
class MadeOnce {
 public:
  // `open`: the graph that is being written, last, and before it those around it. Null if nothing
  // is found; else valid until the next Add.
  const Made* Find(absl::Span<const ScopeId> open, const Key& key, Look look) const {
    for (std::size_t i = open.size(); i-- > 0;) {
      if (const auto it = made_.find({open[i], key}); it != made_.end()) return &it->second;
      if (look == Look::kHere) break;
    }
    return nullptr;
  }

  void Add(ScopeId scope, Key key, Made made) { made_[{scope, std::move(key)}] = std::move(made); }

 private:
  absl::flat_hash_map<std::pair<ScopeId, Key>, Made> made_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_MADE_ONCE_H_
