// What the program says, on standard output and standard error: the one place that names from
// models and paths pass on their way to a terminal.
#ifndef ONNXQUANT_TOOLS_PRINT_H_
#define ONNXQUANT_TOOLS_PRINT_H_

#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "lib/base/visible.h"

namespace onnxquant::cli {

// A text of others, escaped; literals and numbers are ours.
inline std::string Shown(const std::string& text) {
  return Visible(text);
}
template <typename T>
const T& Shown(const T& value) {
  return value;
}

// Whole and as it is, NULs included.
void PrintText(const std::string& text, std::FILE* stream = stdout);

// Documents of JSON as one: an array, in their order.
void PrintJsonArray(absl::Span<const std::string> documents);

// As printf, of whose arguments each std::string is escaped (lib/base/visible.h).
template <typename... Args>
void Print(
    const absl::FormatSpec<std::decay_t<decltype(Shown(std::declval<const Args&>()))>...>& format,
    const Args&... args) {
  PrintText(absl::StrFormat(format, Shown(args)...));
}
template <typename... Args>
void PrintError(
    const absl::FormatSpec<std::decay_t<decltype(Shown(std::declval<const Args&>()))>...>& format,
    const Args&... args) {
  PrintText(absl::StrFormat(format, Shown(args)...), stderr);
}

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_PRINT_H_
