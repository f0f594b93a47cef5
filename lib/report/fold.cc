#include "lib/report/fold.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/number_ranges.h"

namespace onnxquant {
namespace {

// The name with a '*' for each number in it that is the layer's, one at a time.
std::vector<std::string> TemplatesOf(const LayerRow& row) {
  std::vector<std::string> templates;
  const std::string number = absl::StrCat(row.layer);
  for (std::size_t at = 0; at < row.name.size();) {
    std::size_t end = at;
    while (end < row.name.size() && absl::ascii_isdigit(static_cast<unsigned char>(row.name[end])))
      ++end;
    if (row.name.compare(at, end - at, number) == 0) {
      templates.push_back(absl::StrCat(row.name.substr(0, at), "*", row.name.substr(end)));
    }
    at = end + 1;
  }
  return templates;
}

// Of names that do not hold the layer's number: those that differ in numbers alone are alike.
std::string WithoutNumbers(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(letter))) {
      text += letter;
    } else if (text.empty() || text.back() != '0') {
      text += '0';
    }
  }
  return text;
}

// What rows that become one share: the template of their names, and their cells.
using Key = std::pair<std::string, std::vector<std::string>>;

struct Group {
  const LayerRow* first = nullptr;
  std::string name;  // the template
  std::set<int> layers;
  std::uint64_t bytes = 0;
  std::size_t rows = 0;
};

FoldedRow RowOf(const Group& group) {
  FoldedRow row{group.first->name, NumberRanges(group.layers), group.first->cells, group.bytes,
                group.rows};
  if (group.rows > 1 && !group.name.empty()) row.name = group.name;
  if (group.rows > 1 && group.name.empty()) {
    absl::StrAppend(&row.name, " and ", group.rows - 1, " more");
  }
  return row;
}

Group GroupOf(const LayerRow& row) {
  Group group{&row, "", {}, row.bytes, 1};
  if (row.layer >= 0) group.layers.insert(row.layer);
  return group;
}

}  // namespace

std::vector<FoldedRow> FoldLayers(const std::vector<LayerRow>& rows) {
  std::map<Key, int> known;  // a number in a name may be the layer's by chance: most rows decide
  for (const LayerRow& row : rows) {
    if (row.layer < 0) continue;
    for (std::string& name : TemplatesOf(row)) ++known[{std::move(name), row.cells}];
  }
  std::vector<Group> groups;
  std::map<Key, std::size_t> places;
  for (const LayerRow& row : rows) {
    if (row.layer < 0) {
      groups.push_back(GroupOf(row));
      continue;
    }
    std::string name;  // the template; "" where the name does not hold the layer's number
    int most = 0;
    for (const std::string& one : TemplatesOf(row)) {
      const int count = known[{one, row.cells}];
      if (count > most) name = one;
      most = std::max(most, count);
    }
    const Key key{name.empty() ? WithoutNumbers(row.name) : name, row.cells};
    const auto [place, added] = places.emplace(key, groups.size());
    if (added) {
      groups.push_back(GroupOf(row));
      groups.back().name = std::move(name);
      continue;
    }
    Group& group = groups[place->second];
    group.layers.insert(row.layer);
    group.bytes += row.bytes;
    ++group.rows;
  }
  std::vector<FoldedRow> folded;
  for (const Group& group : groups) folded.push_back(RowOf(group));
  return folded;
}

std::vector<FoldedRow> Unfolded(const std::vector<LayerRow>& rows) {
  std::vector<FoldedRow> single;
  for (const LayerRow& row : rows) single.push_back(RowOf(GroupOf(row)));
  return single;
}

}  // namespace onnxquant
