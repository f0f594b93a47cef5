// Reasons that many nodes have, each held once.
#ifndef ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_
#define ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
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

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SHARED_REASONS_H_
