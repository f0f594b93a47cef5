#include "lib/runtime/tokens.h"

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"
#include "lib/model/web_config.h"
#include "lib/runtime/numpy_tokens.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr auto kLargestToken = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

absl::StatusOr<TokenSequences> ParseText(const std::string& path, const std::string& text) {
  std::vector<std::int64_t> tokens;
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,"), absl::SkipEmpty())) {
    std::int64_t token = 0;
    if (!absl::SimpleAtoi(word, &token)) {
      return UsageError(path, ": token ", tokens.size() + 1, " is '", VisibleStart(word, 40),
                        "'; expected a whole number (this is no text but token ids: run the "
                        "model's tokenizer first)");
    }
    tokens.push_back(token);
  }
  return TokenSequences{std::move(tokens)};
}

// The list of numbers of one line.
absl::StatusOr<std::vector<std::int64_t>> ParseLine(const std::string& path, int number,
                                                    absl::string_view line) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(line, path, {.line = number}));
  const Json* list = &json;
  for (const char* key : {"tokens", "input_ids", "ids"}) {
    if (list->is_object() && list->contains(key)) list = &(*list)[key];
  }
  bool good = list->is_array();
  std::vector<std::int64_t> tokens;
  for (const Json& token : *list) {
    // Beyond int64 it would become another number.
    good = good && token.is_number_integer() &&
           (!token.is_number_unsigned() || token.get<std::uint64_t>() <= kLargestToken);
    if (good) tokens.push_back(token.get<std::int64_t>());
  }
  if (good) return tokens;
  return UsageError(path, ":", number,
                    ": is no list of whole numbers, nor an object with one under \"tokens\", "
                    "\"input_ids\" or \"ids\"");
}

absl::StatusOr<TokenSequences> ParseLines(const std::string& path, const std::string& text) {
  TokenSequences sequences;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    if (static_cast<std::int64_t>(sequences.size()) == limits::kTokenSequences) {
      return UsageError(path, ":", number, ": there are more than ", limits::kTokenSequences,
                        " sequences");
    }
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<std::int64_t> tokens, ParseLine(path, number, line));
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

}  // namespace

absl::StatusOr<TokenSequences> ReadTokens(const std::string& path) {
  const TextRule rule = {.kind = ErrorKind::kUsage,
                         .what = "the file of token ids",
                         .remedy = "; --tokens takes a file of token ids, or 'self'",
                         .largest = limits::kTokenBytes,
                         .pipes = true};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadText(path, rule));
  const std::string suffix = fs::path(path).extension().string();
  ONNXQUANT_ASSIGN_OR_RETURN(TokenSequences sequences, suffix == ".npy" ? ParseNumpy(path, text)
                                                       : suffix == ".jsonl"
                                                           ? ParseLines(path, text)
                                                           : ParseText(path, text));
  if (CountTokens(sequences) == 0) return UsageError(path, ": holds no tokens");
  return sequences;
}

absl::Status CheckTokens(const TokenSequences& sequences, std::int64_t vocabulary,
                         const std::string& origin) {
  for (std::size_t row = 0; row < sequences.size(); ++row) {
    for (std::size_t i = 0; i < sequences[row].size(); ++i) {
      const std::int64_t token = sequences[row][i];
      if (token >= 0 && (vocabulary < 0 || token < vocabulary)) continue;
      return UsageError(origin, ": token ", i + 1,
                        sequences.size() > 1 ? absl::StrCat(" of sequence ", row + 1) : "", " is ",
                        token, "; the model's vocabulary is 0 to ",
                        vocabulary < 0 ? "…" : absl::StrCat(vocabulary - 1),
                        " (was the text tokenized for another model?)");
    }
  }
  return absl::OkStatus();
}

void LimitTokens(TokenSequences& sequences, std::size_t count) {
  if (count == 0) return;
  for (auto& sequence : sequences) {
    sequence.resize(std::min(sequence.size(), count));
    count -= sequence.size();
  }
}

std::size_t CountTokens(const TokenSequences& sequences) {
  std::size_t count = 0;
  for (const auto& sequence : sequences) count += sequence.size();
  return count;
}

std::optional<std::int64_t> StartToken(const std::string& model_path) {
  const fs::path folder = fs::absolute(model_path).parent_path();
  std::vector<fs::path> folders = {folder};
  if (folder.filename() == "onnx") folders.push_back(folder.parent_path());
  for (const fs::path& place : folders) {
    for (const char* file : {"generation_config.json", "config.json"}) {
      const absl::StatusOr<std::string> text = ReadConfig((place / file).string());
      if (!text.ok()) continue;
      const absl::StatusOr<Json> parsed = ParseJson(*text, file, {.unique_keys = false});
      if (!parsed.ok()) continue;
      const Json& json = *parsed;
      for (const char* key : {"decoder_start_token_id", "bos_token_id"}) {
        if (json.is_object() && json.contains(key) && json[key].is_number_integer()) {
          return json[key].get<std::int64_t>();
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace onnxquant
