#include "lib/runtime/tokens.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

absl::StatusOr<TokenSequences> ParseText(const std::string& path, const std::string& text) {
  std::vector<std::int64_t> tokens;
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,"), absl::SkipEmpty())) {
    std::int64_t token = 0;
    if (!absl::SimpleAtoi(word, &token)) {
      return UsageError(path, ": token ", tokens.size() + 1, " is '", word.substr(0, 40),
                        "'; expected a whole number (this is no text but token ids: run the "
                        "model's tokenizer first)");
    }
    tokens.push_back(token);
  }
  return TokenSequences{std::move(tokens)};
}

absl::StatusOr<TokenSequences> ParseLines(const std::string& path, const std::string& text) {
  TokenSequences sequences;
  std::size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    for (const char* key : {"tokens", "input_ids", "ids"}) {
      if (json.is_object() && json.contains(key)) json = Json(json[key]);
    }
    bool good = json.is_array();
    std::vector<std::int64_t> tokens;
    for (const Json& token : json) {
      good = good && token.is_number_integer();
      if (good) tokens.push_back(token.get<std::int64_t>());
    }
    if (!good) {
      return UsageError(path, ":", number,
                        ": is no list of whole numbers, nor an object with one under \"tokens\", "
                        "\"input_ids\" or \"ids\"");
    }
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

template <typename T>
TokenSequences Rows(const char* data, std::size_t rows, std::size_t columns) {
  TokenSequences sequences;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::int64_t> tokens;
    for (std::size_t i = 0; i < columns; ++i) {
      T value;
      std::memcpy(&value, data + (row * columns + i) * sizeof(T), sizeof(T));
      tokens.push_back(value);
    }
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

// numpy.lib.format: magic, version, length of the header, a Python dictionary, the elements.
absl::StatusOr<TokenSequences> ParseNumpy(const std::string& path, const std::string& file) {
  constexpr std::size_t kFixed = 12;
  if (file.size() < kFixed || file.compare(0, 6, "\x93NUMPY") != 0) {
    return UsageError(path, ": is no NumPy file");
  }
  const bool first_version = file[6] == 1;
  const std::size_t start = first_version ? 10 : 12;
  std::size_t length = 0;
  for (std::size_t i = 0; i < start - 8; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(file[8 + i])) << (8 * i);
  }
  if (length > file.size() - start) return UsageError(path, ": ends within its header");
  const std::string header = file.substr(start, length);
  std::smatch match;
  static const std::regex pattern(
      R"('descr': '([^']*)', 'fortran_order': (True|False), 'shape': \((\d+),? ?(\d*)\))");
  if (!std::regex_search(header, match, pattern) || (match[1] != "<i4" && match[1] != "<i8") ||
      match[2] != "False") {
    return UsageError(path, ": is an array with the header ", absl::StripAsciiWhitespace(header),
                      "; expected int32 or int64 of one or two dimensions, in C order");
  }
  std::size_t rows = 1;
  std::size_t columns = 0;
  const bool matrix = match[4].length() > 0;
  if ((matrix && !absl::SimpleAtoi(match[3].str(), &rows)) ||
      !absl::SimpleAtoi(match[matrix ? 4 : 3].str(), &columns)) {
    return UsageError(path, ": its shape cannot be read");
  }
  const std::size_t size = match[1] == "<i4" ? 4 : 8;
  const std::size_t bytes = file.size() - start - length;
  if (columns != 0 && rows > bytes / size / columns) {
    return UsageError(path, ": has ", bytes, " bytes of elements; its shape needs more");
  }
  const char* data = file.data() + start + length;
  return size == 4 ? Rows<std::int32_t>(data, rows, columns)
                   : Rows<std::int64_t>(data, rows, columns);
}

}  // namespace

absl::StatusOr<TokenSequences> ReadTokens(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream content;
  content << stream.rdbuf();
  if (!stream.is_open() || fs::is_directory(path)) {
    return UsageError(path, ": cannot be opened; --tokens takes a file of token ids, or 'self'");
  }
  const std::string suffix = fs::path(path).extension().string();
  ONNXQUANT_ASSIGN_OR_RETURN(TokenSequences sequences,
                             suffix == ".npy"     ? ParseNumpy(path, content.str())
                             : suffix == ".jsonl" ? ParseLines(path, content.str())
                                                  : ParseText(path, content.str()));
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
      std::ifstream stream(place / file);
      const Json json = Json::parse(stream, nullptr, false);
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
