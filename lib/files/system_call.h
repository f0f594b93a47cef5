// What system calls need around them: a descriptor that closes itself, another try after a signal,
// and errors as sentences.
#ifndef ONNXQUANT_LIB_FILES_SYSTEM_CALL_H_
#define ONNXQUANT_LIB_FILES_SYSTEM_CALL_H_

#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace onnxquant {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  // What was written is synced before: an error of close() says nothing any more.
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }

  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// For calls that a signal may end before they have done anything.
template <typename Call>
auto Retry(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// kWrite: "PATH: WHAT failed: …", with a remedy; `option` is what chooses another place.
absl::Status SystemError(const std::string& path, const char* what, int error, const char* option);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_SYSTEM_CALL_H_
