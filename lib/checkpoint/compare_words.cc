#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/checkpoint/compare.h"

namespace onnxquant {
namespace {

std::string ByHowMuch(const ValueDifference& difference) {
  return absl::StrFormat("%d of %d elements, by %.3g in the norm, %.3g at most",
                         difference.elements - difference.exact - difference.rounded,
                         difference.elements, difference.Relative(), difference.max_abs);
}

std::string Shape(const ComparedTensor& tensor) {
  return absl::StrCat(tensor.type, " [", absl::StrJoin(tensor.shape, ","), "]");
}

std::string WhatIsLost(const ComparedTensor& tensor) {
  if (tensor.fate == TensorFate::kMissing) {
    return absl::StrCat("missing: '", tensor.name, "' (", Shape(tensor),
                        "): the graph has nothing like it");
  }
  if (tensor.fate == TensorFate::kDiffers) {
    return absl::StrCat("differs: '", tensor.name, "' from '", absl::StrJoin(tensor.graph, "', '"),
                        "' in ", ByHowMuch(tensor.difference));
  }
  return absl::StrCat("replaced: '", tensor.name, "' (", Shape(tensor),
                      ") is lost: the graph has '", tensor.instead, "' in its place ('",
                      tensor.graph[0], "'), which differs from it in ",
                      ByHowMuch(tensor.difference));
}

// "12 transposed, 1 scaled by 25.25".
std::string Ways(const CheckpointComparison& comparison) {
  std::map<std::string, int> ways;
  for (const ComparedTensor& tensor : comparison.tensors) {
    if (tensor.Lost()) continue;
    for (const std::string& how : tensor.how) {
      // Which rows a part has is for the list.
      const std::string kind = how.substr(0, how.find(':'));
      ++ways[kind];
      if (kind == "split") break;
    }
  }
  std::vector<std::string> parts;
  for (const auto& [how, count] : ways) parts.push_back(absl::StrCat(count, " ", how));
  return absl::StrJoin(parts, ", ");
}

}  // namespace

std::vector<std::string> Words(const CheckpointComparison& comparison) {
  std::vector<std::string> words;
  for (const ComparedTensor& tensor : comparison.tensors) {
    if (tensor.Lost()) words.push_back(WhatIsLost(tensor));
  }
  const std::string ways = Ways(comparison);
  words.push_back(absl::StrCat(
      comparison.path, ": of ", comparison.tensors.size(), " tensors the graph has ",
      comparison.Count(TensorFate::kEqual), " as they are and ",
      comparison.Count(TensorFate::kRounded), " but for rounding",
      ways.empty() ? "" : absl::StrCat(" (", ways, ")"), "; ",
      comparison.Count(TensorFate::kDiffers), " differ, ", comparison.Count(TensorFate::kReplaced),
      " are replaced, ", comparison.Count(TensorFate::kMissing), " are missing"));
  std::map<std::string, int> unread;
  for (const ComparedTensor& tensor : comparison.tensors) {
    if (tensor.fate == TensorFate::kNotCompared) ++unread[tensor.type];
  }
  for (const auto& [type, count] : unread) {
    const std::string what = absl::StrCat("not compared: ", count, " of type ", type);
    words.push_back(comparison.coded > 0 ? absl::StrCat(what, "; the graph has ", comparison.coded,
                                                        " weights in codes, of which they may be")
                                         : absl::StrCat(what, ", which is not read"));
  }
  if (const int made = comparison.Count(TensorFate::kNotTrained); made > 0) {
    words.push_back(absl::StrCat("not trained, so not looked for: ", made));
  }
  if (!comparison.only_in_graph.empty()) {
    words.push_back(absl::StrCat("only in the graph: ", comparison.only_in_graph.size(),
                                 " constants, the first is '", comparison.only_in_graph[0], "'"));
  }
  return words;
}

}  // namespace onnxquant
