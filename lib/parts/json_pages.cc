#include "lib/parts/json_pages.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

using Ordered = nlohmann::ordered_json;
using nlohmann::json;

constexpr std::size_t kLine = 200;
constexpr std::size_t kShown = 60;  // bytes of a value in a message

std::string Compact(const Ordered& value) {
  return value.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

bool OnOneLine(const Ordered& value) {
  if (!value.is_structured() || value.empty()) return true;
  const bool flat = std::none_of(value.begin(), value.end(),
                                 [](const Ordered& member) { return member.is_structured(); });
  return flat && Compact(value).size() <= kLine;
}

void Print(const Ordered& value, int depth, std::string& text) {
  if (OnOneLine(value)) {
    absl::StrAppend(&text, Compact(value));
    return;
  }
  const std::string indent(2 * static_cast<std::size_t>(depth + 1), ' ');
  const bool object = value.is_object();
  absl::StrAppend(&text, object ? "{" : "[");
  bool first = true;
  for (const auto& [key, member] : value.items()) {
    absl::StrAppend(&text, first ? "\n" : ",\n", indent);
    if (object) absl::StrAppend(&text, Compact(Ordered(key)), ": ");
    Print(member, depth + 1, text);
    first = false;
  }
  absl::StrAppend(&text, "\n", indent.substr(2), object ? "}" : "]");
}

std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kShown) text = absl::StrCat(text.substr(0, kShown), "…");
  return text;
}

std::optional<Difference> Differ(const std::string& place, const json& found,
                                 const json& expected) {
  if (found == expected) return std::nullopt;
  if (found.is_object() && expected.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      const std::string inner = place.empty() ? key : absl::StrCat(place, ".", key);
      const auto own = found.find(key);
      if (own == found.end()) return Difference{inner, "nothing", Shown(value)};
      if (auto difference = Differ(inner, *own, value)) return difference;
    }
    for (const auto& [key, value] : found.items()) {
      if (expected.contains(key)) continue;
      return Difference{place.empty() ? key : absl::StrCat(place, ".", key), Shown(value),
                        "nothing"};
    }
  }
  if (found.is_array() && expected.is_array()) {
    for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
      const std::string inner = absl::StrCat(place, "[", i, "]");
      if (i >= found.size()) return Difference{inner, "nothing", Shown(expected[i])};
      if (i >= expected.size()) return Difference{inner, Shown(found[i]), "nothing"};
      if (auto difference = Differ(inner, found[i], expected[i])) return difference;
    }
  }
  return Difference{place, Shown(found), Shown(expected)};
}

}  // namespace

std::string ToPage(const Ordered& json) {
  std::string text;
  Print(json, 0, text);
  return text + "\n";
}

std::optional<Difference> FirstDifference(const json& found, const json& expected) {
  return Differ("", found, expected);
}

}  // namespace onnxquant
