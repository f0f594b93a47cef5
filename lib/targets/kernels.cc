#include "lib/targets/kernels.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace onnxquant {
namespace {

struct Column {
  absl::string_view kernels;
  Version version;
};

struct Row {
  int since = 0;
  absl::string_view tried;
  std::vector<absl::string_view> cells;  // by column
};

struct Table {
  std::vector<Column> columns;
  absl::flat_hash_map<absl::string_view, std::vector<Row>> rows;  // by operator, by opset
};

// What stands before the columns of runtimes: operator, since, tried.
constexpr std::size_t kFirstColumn = 3;

int Number(absl::string_view text) {
  int number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

Table Parse(absl::string_view text) {
  Table table;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line.front() == '#') continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
    if (table.columns.empty()) {
      for (std::size_t i = kFirstColumn; i < words.size(); ++i) {
        const std::vector<absl::string_view> name = absl::StrSplit(words[i], '@');
        const std::vector<absl::string_view> version = absl::StrSplit(name.back(), '.');
        table.columns.push_back({name.front(), {Number(version.front()), Number(version.back())}});
      }
      continue;
    }
    table.rows[words[0]].push_back(
        {Number(words[1]), words[2], {words.begin() + kFirstColumn, words.end()}});
  }
  return table;
}

const Table& TheTable() {
  static const auto& table = *new Table(Parse(kKernelTable));
  return table;
}

char LetterOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
      return 'f';
    case ElementType::kFloat16:
      return 'h';
    case ElementType::kBFloat16:
      return 'b';
    case ElementType::kDouble:
      return 'd';
    default:
      return ' ';
  }
}

constexpr ElementType kTypes[] = {ElementType::kFloat, ElementType::kFloat16,
                                  ElementType::kBFloat16, ElementType::kDouble};

}  // namespace

KernelAnswer AskKernels(absl::string_view kernels, Version version, absl::string_view op, int opset,
                        ElementType type) {
  KernelAnswer answer;
  const Table& table = TheTable();
  const auto found = table.rows.find(op);
  if (found == table.rows.end()) return answer;
  std::size_t column = table.columns.size();
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& each = table.columns[i];
    if (each.kernels == kernels && each.version <= version) column = i;  // they are in order
  }
  const auto after = std::find_if(found->second.begin(), found->second.end(),
                                  [opset](const Row& row) { return row.since > opset; });
  if (column == table.columns.size() || after == found->second.begin()) return answer;
  const Row& row = *(after - 1);
  const absl::string_view whole = row.cells[column];
  const absl::string_view cell = whole.substr(0, whole.find('?'));
  const absl::string_view unknown = whole.substr(cell.size());
  if (cell.empty() || !absl::StrContains(row.tried, LetterOf(type)) ||
      absl::StrContains(unknown, LetterOf(type))) {
    return answer;
  }
  answer.known = true;
  answer.runs = absl::StrContains(cell, LetterOf(type));
  answer.version = table.columns[column].version;
  for (const ElementType each : kTypes) {
    if (absl::StrContains(cell, LetterOf(each))) answer.takes.push_back(each);
  }
  return answer;
}

}  // namespace onnxquant
