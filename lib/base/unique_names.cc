#include "lib/base/unique_names.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace onnxquant {

std::string UniqueNames::Take(const std::string& wanted) {
  std::string name = wanted;
  if (taken_.contains(absl::string_view(name))) {
    int& next = next_.try_emplace(wanted, 2).first->second;
    do name = absl::StrCat(wanted, "_", next++);
    while (taken_.contains(absl::string_view(name)));
  }
  made_.push_back(name);
  taken_.insert(&made_.back());
  return name;
}

}  // namespace onnxquant
