#include "lib/policy/dtypes.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"

namespace onnxquant {
namespace {

struct Row {
  const char* dtype = nullptr;
  const char* suffix = nullptr;
  bool web = true;  // Transformers.js knows it
};

// DEFAULT_DTYPE_SUFFIX_MAPPING of Transformers.js, and what other programs read.
constexpr Row kRows[] = {
    {"fp32", ""},
    {"fp16", "_fp16"},
    {"int8", "_int8"},
    {"uint8", "_uint8"},
    {"q8", "_quantized"},
    {"q4", "_q4"},
    {"q4f16", "_q4f16"},
    {"bnb4", "_bnb4"},
    {"q2", "_q2"},
    {"q2f16", "_q2f16"},
    {"q1", "_q1"},
    {"q1f16", "_q1f16"},
    {"bf16", "_bf16", false},
};

// How names of sources end beside the dtypes themselves.
constexpr std::pair<const char*, const char*> kSpelledOtherwise[] = {
    {"fp32", ""},    {"float32", ""},      {"f32", ""},         {"float16", "fp16"},
    {"f16", "fp16"}, {"bfloat16", "bf16"}, {"quantized", "q8"}, {"int4", "q4"},
};

}  // namespace

std::vector<std::string> KnownDtypes() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.dtype);
  return names;
}

FileStem SplitStem(const std::string& stem) {
  for (const Row& row : kRows) {
    const std::string suffix = row.suffix;
    if (suffix.empty() || stem.size() <= suffix.size() || !absl::EndsWith(stem, suffix)) continue;
    return {stem.substr(0, stem.size() - suffix.size()), row.dtype};
  }
  return {stem, ""};
}

FileStem SplitSourceStem(const std::string& stem) {
  if (FileStem split = SplitStem(stem); !split.dtype.empty()) return split;
  const std::string lower = absl::AsciiStrToLower(stem);
  const auto split_at = [&](const char* word, const char* dtype) -> std::optional<FileStem> {
    for (const char separator : {'_', '-', '.'}) {
      const std::string suffix = separator + std::string(word);
      if (stem.size() <= suffix.size() || !absl::EndsWith(lower, suffix)) continue;
      return FileStem{stem.substr(0, stem.size() - suffix.size()), dtype};
    }
    return std::nullopt;
  };
  for (const auto& [word, dtype] : kSpelledOtherwise) {
    if (auto split = split_at(word, dtype)) return *split;
  }
  for (const Row& row : kRows) {
    if (auto split = split_at(row.dtype, row.dtype)) return *split;
  }
  return {stem, ""};
}

bool IsWebDtype(const std::string& dtype) {
  return std::any_of(std::begin(kRows), std::end(kRows),
                     [&dtype](const Row& row) { return row.web && dtype == row.dtype; });
}

absl::StatusOr<std::string> FileSuffixOf(const std::string& dtype) {
  for (const Row& row : kRows) {
    if (dtype == row.dtype) return std::string(row.suffix);
  }
  const std::vector<std::string> known = KnownDtypes();
  return PolicyError("found dtype '", dtype, "'; there are ", absl::StrJoin(known, ", "),
                     DidYouMean(dtype, known));
}

}  // namespace onnxquant
