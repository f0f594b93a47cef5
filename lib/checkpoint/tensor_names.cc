#include "lib/checkpoint/tensor_names.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace onnxquant {
namespace {

std::vector<std::string> WordsOfName(const std::string& name) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : absl::AsciiStrToLower(name) + ".") {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

}  // namespace

int LikenessOf(const std::string& a, const std::string& b) {
  const std::vector<std::string> first = WordsOfName(a);
  const std::vector<std::string> second = WordsOfName(b);
  const std::set<std::string> known(second.begin(), second.end());
  int likeness = 0;
  for (const std::string& word : first) {
    if (known.contains(word))
      likeness += absl::ascii_isdigit(static_cast<unsigned char>(word[0])) ? 10 : 1;
  }
  return likeness;
}

bool IsTrained(const CheckpointTensor& tensor) {
  static constexpr absl::string_view kFloats[] = {"F64", "F8_E4M3", "F8_E5M2"};
  static constexpr absl::string_view kMade[] = {"inv_freq",
                                                "position_ids",
                                                "rope_freqs.weight",
                                                ".attn.bias",
                                                "masked_bias",
                                                "num_batches_tracked",
                                                "rope_factors_long.weight",
                                                "rope_factors_short.weight"};
  for (const absl::string_view end : kMade) {
    if (absl::EndsWith(tensor.name, end)) return false;
  }
  if (tensor.stored != nullptr || absl::StrContains(tensor.type, "Q") ||
      absl::StartsWith(tensor.type, "type") || absl::StartsWith(tensor.type, "MX")) {
    return true;
  }
  return std::find(std::begin(kFloats), std::end(kFloats), tensor.type) != std::end(kFloats);
}

bool IsHead(const std::string& name) {
  return absl::StrContains(name, "lm_head") || name == "output.weight" ||
         absl::StrContains(name, "embed_out");
}

}  // namespace onnxquant
