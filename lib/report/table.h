// Tables and numbers as people read them on a terminal.
#ifndef ONNXQUANT_LIB_REPORT_TABLE_H_
#define ONNXQUANT_LIB_REPORT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace onnxquant {

// Columns separated by two spaces, each as wide as its widest cell; the header is followed by a
// rule.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  // `cells` beyond the columns are dropped, missing ones are empty.
  void AddRow(std::vector<std::string> cells);
  std::string ToString() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// 1234567 -> "1,234,567".
std::string WithSeparators(std::uint64_t value);

// Decimal units, as file sizes on the web are given: "569.9 MB", "1.14 GB", "812 B".
std::string HumanBytes(std::uint64_t bytes);

// Columns that `text` takes on a terminal: code points of UTF-8, each counted as one.
std::size_t DisplayWidth(const std::string& text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REPORT_TABLE_H_
