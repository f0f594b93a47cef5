#include "lib/runtime/text_source.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/runtime/self_text.h"

namespace onnxquant {
namespace {

constexpr std::size_t kSelfTokens = 256;
constexpr std::int64_t kDefaultStart = 1;

}  // namespace

absl::StatusOr<std::int64_t> FirstOwnToken(const std::string& model, const Decoder& decoder) {
  if (decoder.text().logits.empty()) {
    return UsageError(model,
                      ": writes no text, for it has no output 'logits'; give a file of token ids "
                      "with --tokens, or arrays with --inputs");
  }
  return StartToken(model).value_or(kDefaultStart);
}

absl::StatusOr<TokenSequences> GetTokens(const TextSource& source, Decoder& decoder) {
  if (source.tokens.empty()) {
    return UsageError(source.model,
                      ": reads tokens; give a file of token ids with --tokens, or --tokens self "
                      "for text that the model writes itself");
  }
  if (source.tokens == kSelf) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::int64_t start, FirstOwnToken(source.model, decoder));
    const std::size_t count = source.count == 0 ? kSelfTokens : source.count;
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<std::int64_t> written,
                               WriteSelfText(decoder, start, count, source.seed, source.cancelled));
    return TokenSequences{std::move(written)};
  }
  ONNXQUANT_ASSIGN_OR_RETURN(TokenSequences sequences, ReadTokens(source.tokens));
  LimitTokens(sequences, source.count);
  sequences.erase(std::remove_if(sequences.begin(), sequences.end(),
                                 [](const auto& sequence) { return sequence.empty(); }),
                  sequences.end());
  ONNXQUANT_RETURN_IF_ERROR(CheckTokens(sequences, decoder.text().vocabulary, source.tokens));
  return sequences;
}

}  // namespace onnxquant
