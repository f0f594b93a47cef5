// Token ids from files.
#ifndef ONNXQUANT_LIB_RUNTIME_TOKENS_H_
#define ONNXQUANT_LIB_RUNTIME_TOKENS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace onnxquant {

// Each sequence is read from its own beginning.
using TokenSequences = std::vector<std::vector<std::int64_t>>;

// By the file's suffix:
//   .npy    NumPy's format 1.0 to 3.0, int32 or int64, little-endian: one sequence, or the rows of
//           a matrix
//   .jsonl  a sequence a line: a list of numbers, or an object with one under "tokens", "input_ids"
//           or "ids"
//   else    numbers separated by white space or commas: one sequence
// Errors are kUsage. No tokens at all is one.
absl::StatusOr<TokenSequences> ReadTokens(const std::string& path);

// Refuses (kUsage) ids outside 0 … vocabulary - 1; a vocabulary of -1 is not known and refuses
// nothing but negative ids.
absl::Status CheckTokens(const TokenSequences& sequences, std::int64_t vocabulary,
                         const std::string& origin);

// Leaves `count` tokens in all; 0 leaves everything.
void LimitTokens(TokenSequences& sequences, std::size_t count);
std::size_t CountTokens(const TokenSequences& sequences);

// bos_token_id (or decoder_start_token_id) of generation_config.json or config.json beside the
// model or, for a model in a folder named onnx, above it.
std::optional<std::int64_t> StartToken(const std::string& model_path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_TOKENS_H_
