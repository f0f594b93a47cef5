// Reasons that many nodes have, each held once.
#ifndef ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_
#define ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/plan.h"
#include "lib/policy/settings.h"

namespace onnxquant {

class SharedReasons {
 public:
  const Reason& Get(const std::string& source, const std::string& effect) {
    return reasons_.try_emplace(std::pair(source, effect), source, effect).first->second;
  }

 private:
  absl::flat_hash_map<std::pair<std::string, std::string>, Reason> reasons_;
};

// Sets the type of a node's arithmetic; where that is another one, says what set it.
inline void SetCompute(ElementType type, const std::string& source, SharedReasons& reasons,
                       NodePlan& node) {
  if (node.compute == type) return;
  node.compute = type;
  node.why.push_back(reasons.Get(source, absl::StrCat("compute: ", NameOf(type))));
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_
