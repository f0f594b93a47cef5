// The text that a model is measured on.
#ifndef ONNXQUANT_LIB_RUNTIME_TEXT_SOURCE_H_
#define ONNXQUANT_LIB_RUNTIME_TEXT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/runtime/decoder.h"
#include "lib/runtime/tokens.h"

namespace onnxquant {

// What stands for the model's own text in the place of a file.
inline constexpr char kSelf[] = "self";

struct TextSource {
  std::string model;      // whose folder may name the start token
  std::string tokens;     // a file, or kSelf
  std::size_t count = 0;  // tokens in all; 0: all of a file, 256 of the model's own text
  std::uint64_t seed = 0;
  std::function<bool()> cancelled;
};

// With which the model begins a text of its own. Error (kUsage): it writes none.
absl::StatusOr<std::int64_t> FirstOwnToken(const std::string& model, const Decoder& decoder);

// Reads the file, or lets the decoder write, and checks the ids against its vocabulary. No sequence
// is empty. Errors (kUsage): no tokens named, a model that writes none, those of ReadTokens and
// CheckTokens.
absl::StatusOr<TokenSequences> GetTokens(const TextSource& source, Decoder& decoder);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_TEXT_SOURCE_H_
