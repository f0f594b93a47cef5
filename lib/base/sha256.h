// SHA-256 (FIPS 180-4) of bytes, by OpenSSL, which uses what the processor has for it.
#ifndef ONNXQUANT_LIB_BASE_SHA256_H_
#define ONNXQUANT_LIB_BASE_SHA256_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace onnxquant {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) = delete;
  ~Sha256();

  void Add(absl::Span<const std::byte> bytes);
  // With its length before it, so that texts which follow each other keep their borders.
  void Add(absl::string_view text);
  void Add(std::uint64_t number);

  // 64 hexadecimal digits of all that was added. Once only.
  std::string Hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Of the text itself, as `sha256sum` prints it.
std::string Sha256Of(absl::string_view text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_SHA256_H_
