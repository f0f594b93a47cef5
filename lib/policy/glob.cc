#include "lib/policy/glob.h"

#include <fnmatch.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace onnxquant {

bool FitsGlob(const std::string& glob, const std::string& name) {
  std::string text = name;
  // fnmatch takes a NUL for the end. No glob holds one, so that another byte does as well.
  std::replace(text.begin(), text.end(), '\0', '\x01');
  return fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

std::string AsGlob(const std::string& name) {
  constexpr absl::string_view kSpecial = "*?[\\";
  std::string glob;
  for (const char letter : name) {
    if (kSpecial.find(letter) == absl::string_view::npos) {
      glob += letter;
    } else if (letter == '\\') {
      glob += "\\\\";
    } else {
      absl::StrAppend(&glob, "[", std::string(1, letter), "]");
    }
  }
  return glob;
}

std::string WithPlainBrackets(const std::string& glob) {
  return absl::StrReplaceAll(glob, {{"[", "[[]"}});
}

}  // namespace onnxquant
