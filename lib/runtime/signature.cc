#include "lib/runtime/signature.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace onnxquant {
namespace {

const ValueSignature* FindIn(const std::vector<ValueSignature>& values, const std::string& name) {
  for (const ValueSignature& value : values) {
    if (value.name == name) return &value;
  }
  return nullptr;
}

}  // namespace

const ValueSignature* Signature::Input(const std::string& name) const {
  return FindIn(inputs, name);
}

const ValueSignature* Signature::Output(const std::string& name) const {
  return FindIn(outputs, name);
}

std::string SignatureText(const ValueSignature& value) {
  std::vector<std::string> dims;
  for (const Dimension& dim : value.dims) {
    dims.push_back(dim.fixed() ? absl::StrCat(dim.size) : dim.symbol.empty() ? "?" : dim.symbol);
  }
  return absl::StrCat(NameOf(value.type), "[", absl::StrJoin(dims, ", "), "]");
}

std::string NamesText(const std::vector<ValueSignature>& values) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> names;
  for (const ValueSignature& value : values) {
    if (names.size() == kShown) {
      names.push_back("…");
      break;
    }
    names.push_back(value.name);
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace onnxquant
