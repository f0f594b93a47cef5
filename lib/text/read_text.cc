#include "lib/text/read_text.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

const char* KindOfFile(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

absl::Status Refusal(const std::string& path, const TextRule& rule, const std::string& complaint) {
  return MakeError(rule.kind, absl::StrCat(path, ": ", complaint, rule.remedy));
}

absl::Status TooLarge(const std::string& path, const TextRule& rule) {
  return Refusal(
      path, rule,
      absl::StrCat(rule.what, " is larger than any: found more than ", rule.largest, " bytes"));
}

// Up to `largest` bytes and one more, which tells that there are too many.
absl::StatusOr<std::string> ReadAll(int file, const std::string& path, const TextRule& rule,
                                    std::size_t expected) {
  constexpr std::size_t kStep = 1 << 16;
  const auto most = static_cast<std::size_t>(rule.largest) + 1;
  std::string text;
  text.reserve(std::min(expected, most));
  std::size_t size = 0;
  while (size < most) {
    text.resize(std::min(size + kStep, most));
    const ssize_t got = read(file, text.data() + size, text.size() - size);
    if (got == 0) break;
    if (got > 0) {
      size += static_cast<std::size_t>(got);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {  // a pipe whose writer takes its time
      pollfd wait = {file, POLLIN, 0};
      poll(&wait, 1, -1);
      continue;
    }
    return Refusal(path, rule, absl::StrCat(rule.what, " cannot be read: ", std::strerror(errno)));
  }
  text.resize(size);
  if (size == most) return TooLarge(path, rule);
  return text;
}

}  // namespace

absl::StatusOr<std::string> ReadText(const std::string& path, const TextRule& rule) {
  if (path.find('\0') != std::string::npos) {
    return Refusal(path, rule, "is no path: it holds a NUL");
  }
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    return Refusal(path, rule, absl::StrCat(rule.what, " cannot be read: ", std::strerror(errno)));
  }
  const absl::Cleanup closed = [file] { close(file); };
  struct stat status = {};
  if (fstat(file, &status) != 0) {
    return Refusal(path, rule, absl::StrCat(rule.what, " cannot be read: ", std::strerror(errno)));
  }
  const bool regular = S_ISREG(status.st_mode);
  if (!regular && !(rule.pipes && S_ISFIFO(status.st_mode))) {
    return Refusal(path, rule,
                   absl::StrCat("is ", KindOfFile(status.st_mode), "; ", rule.what,
                                " is a regular file", rule.pipes ? " or a pipe" : ""));
  }
  if (regular && status.st_size > rule.largest) return TooLarge(path, rule);
  return ReadAll(file, path, rule, regular ? static_cast<std::size_t>(status.st_size) + 1 : 0);
}

TextPlace PlaceOf(absl::string_view text, std::size_t byte) {
  const absl::string_view before = text.substr(0, std::min(byte, text.size()));
  TextPlace place;
  place.line += static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_break = before.rfind('\n');
  const std::size_t start = line_break == absl::string_view::npos ? 0 : line_break + 1;
  place.column += static_cast<int>(before.size() - start);
  return place;
}

std::string PlaceName(const std::string& file, absl::string_view text, std::size_t byte,
                      int first_line) {
  const TextPlace place = PlaceOf(text, byte);
  return absl::StrCat(file, ":", place.line + first_line - 1, ":", place.column);
}

}  // namespace onnxquant
