// The one place where files of text are opened, and where in a text something stands.
#ifndef ONNXQUANT_LIB_TEXT_READ_TEXT_H_
#define ONNXQUANT_LIB_TEXT_READ_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "onnxquant/error.h"

namespace onnxquant {

// What is read, and whose fault it is if it cannot be.
struct TextRule {
  ErrorKind kind = ErrorKind::kUsage;
  const char* what = "";    // "the policy file"
  const char* remedy = "";  // "; --tokens takes …": put behind every complaint
  std::int64_t largest = 0;
  bool pipes = false;  // also from a pipe: /dev/stdin, a shell's <(…)
};

// The whole file, if it is a regular one (or a pipe, where the rule allows it) of at most
// rule.largest bytes. Folders, devices and sockets are refused; a pipe that nobody writes to is
// empty.
absl::StatusOr<std::string> ReadText(const std::string& path, const TextRule& rule);

// A place in a text, counted from 1; columns in bytes.
struct TextPlace {
  int line = 1;
  int column = 1;
};
TextPlace PlaceOf(absl::string_view text, std::size_t byte);
// "FILE:LINE:COLUMN" of a text that begins in the given line of its file.
std::string PlaceName(const std::string& file, absl::string_view text, std::size_t byte,
                      int first_line = 1);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_READ_TEXT_H_
