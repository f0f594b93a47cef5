#include "lib/base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>

#include "absl/strings/escaping.h"

namespace onnxquant {

struct Sha256::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

// It fails where there is no memory for it, and nowhere else.
Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (context_->digest == nullptr ||
      EVP_DigestInit_ex(context_->digest, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::Add(absl::Span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size());
}

void Sha256::Add(absl::string_view text) {
  Add(std::uint64_t{text.size()});
  EVP_DigestUpdate(context_->digest, text.data(), text.size());
}

void Sha256::Add(std::uint64_t number) {
  EVP_DigestUpdate(context_->digest, &number, sizeof number);
}

std::string Sha256::Hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->digest, digest.data(), &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

std::string Sha256Of(absl::string_view text) {
  Sha256 hash;
  hash.Add({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  return hash.Hex();
}

}  // namespace onnxquant
