// Names that must differ from all others.
#ifndef ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_
#define ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_

#include <cstddef>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace onnxquant {

class UniqueNames {
 public:
  // Notes a name, which must outlive this object; false if it is taken already.
  bool Insert(const std::string& name) { return taken_.insert(&name).second; }
  bool Insert(std::string&& name) = delete;

  // `wanted`, or where that is taken "wanted_2", "wanted_3" … What one search has found taken, the
  // next one for the same name does not try again.
  std::string Take(const std::string& wanted);

 private:
  // Half the size of views: there is a name for each node and value of a model.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const std::string* name) const { return (*this)(*name); }
    std::size_t operator()(absl::string_view name) const {
      return absl::Hash<absl::string_view>{}(name);
    }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const std::string* a, const std::string* b) const { return *a == *b; }
    bool operator()(const std::string* a, absl::string_view b) const { return *a == b; }
  };

  absl::flat_hash_set<const std::string*, Hash, Same> taken_;
  std::deque<std::string> made_;  // which `taken_` points into
  absl::flat_hash_map<std::string, int> next_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_
