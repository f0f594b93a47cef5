// Names that must differ from all others.
#ifndef ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_
#define ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_

#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace onnxquant {

class UniqueNames {
 public:
  // Notes a name, which must outlive this object; false if it is taken already.
  bool Insert(absl::string_view name) { return taken_.insert(name).second; }

  // `wanted`, or where that is taken "wanted_2", "wanted_3" … What one search has found taken, the
  // next one for the same name does not try again.
  std::string Take(const std::string& wanted);

 private:
  absl::flat_hash_set<absl::string_view> taken_;
  std::deque<std::string> made_;  // which `taken_` looks into
  absl::flat_hash_map<std::string, int> next_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_UNIQUE_NAMES_H_
