#include "lib/policy/settings_yaml.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

ElementType TypeOfWord(const std::string& word) {
  return word == TypeWord(kAsInSource) ? kAsInSource : *ElementTypeFromName(word);
}

Words TypeWords() {
  return {"float32", "float16", "bfloat16", TypeWord(kAsInSource)};
}

absl::StatusOr<ElementType> ParseFloatType(const YamlReader& reader, const YAML::Node& node,
                                           const std::string& what) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string name, reader.OneOf(node, what, TypeWords()));
  return TypeOfWord(name);
}

// The parameters beside a word for codes, each of which some form of it must take.
absl::Status ParseParameters(const YamlReader& reader, const YAML::Node& node,
                             WeightFormat& format) {
  if (node["block"] && node["per_channel"] && Takes(format.word, Parameter::kBlock) &&
      Takes(format.word, Parameter::kPerChannel)) {
    return reader.ErrorAt(node["per_channel"],
                          "found 'per_channel' beside 'block'; a scale is for a block, or for a "
                          "channel or the whole weight: say one of them");
  }
  for (const ParameterRow& row : ParameterRows()) {
    const std::string key(row.key);
    const YAML::Node value = node[key];
    if (!value) continue;
    if (!Takes(format.word, row.parameter)) {
      return reader.ErrorAt(value, absl::StrCat(format.word, " takes no '", key, "'"));
    }
    std::string word;
    if (row.flag) {
      ONNXQUANT_ASSIGN_OR_RETURN(const bool flag, reader.Bool(value, key));
      word = flag ? "true" : "false";
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(
          word, reader.OneOf(value, key, Words(row.words.begin(), row.words.end())));
    }
    row.set(format, word);
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightFormat> ParseWeights(const YamlReader& reader, const YAML::Node& node) {
  const Words codes = CodeWords();
  Words words = TypeWords();
  words.insert(words.end(), codes.begin(), codes.end());
  const bool map = node.IsMap();
  if (map) {
    Words keys = {"format"};
    for (const ParameterRow& row : ParameterRows()) keys.emplace_back(row.key);
    ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "weights", keys));
    if (!node["format"]) return reader.ErrorAt(node, "'weights' does not say 'format'");
  }
  const YAML::Node format = map ? node["format"] : node;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string name, reader.OneOf(format, "weights", words));
  std::optional<WeightFormat> result = FormatOfWord(name);
  if (result) {
    if (map) ONNXQUANT_RETURN_IF_ERROR(ParseParameters(reader, node, *result));
    return *result;
  }
  if (map && node.size() > 1) {
    return reader.ErrorAt(
        node, absl::StrCat(name, " takes no further fields; ", absl::StrJoin(codes, ", "),
                           codes.size() == 1 ? " does" : " do"));
  }
  return WeightFormat{.type = TypeOfWord(name)};
}

// "float32", "{rescale: auto}", "{rescale: 5}", "{clip: 60000}".
absl::StatusOr<ResidualSetting> ParseResidual(const YamlReader& reader, const YAML::Node& node) {
  ResidualSetting setting;
  if (!node.IsMap()) {
    ONNXQUANT_RETURN_IF_ERROR(reader.OneOf(node, "residual", Words{"float32"}).status());
    return setting;
  }
  ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "residual", Words{"rescale", "clip"}));
  if (node.size() != 1) {
    return reader.ErrorAt(node, "'residual' is float32, or says either 'rescale' or 'clip'");
  }
  if (node["clip"]) {
    setting.kind = ResidualSetting::Kind::kClip;
    ONNXQUANT_ASSIGN_OR_RETURN(setting.limit, reader.Positive(node["clip"], "clip"));
    return setting;
  }
  setting.kind = ResidualSetting::Kind::kRescale;
  const YAML::Node rescale = node["rescale"];
  if (rescale.IsScalar() && rescale.Scalar() == "auto") return setting;
  const bool number = rescale.IsScalar() && absl::SimpleAtoi(rescale.Scalar(), &setting.exponent);
  if (!number || setting.exponent < 1 || setting.exponent > ResidualSetting::kLargestExponent) {
    return reader.ErrorAt(
        rescale,
        absl::StrCat("found rescale ", rescale.IsScalar() ? VisibleStart(rescale.Scalar()) : "",
                     "; 'auto' or k from 1 to ", ResidualSetting::kLargestExponent,
                     " is expected: the stream is multiplied by 2^-k"));
  }
  return setting;
}

// A number of positions.
absl::StatusOr<std::int64_t> ParsePositions(const YamlReader& reader, const YAML::Node& node,
                                            const char* what) {
  std::int64_t positions = 0;
  const bool number = node.IsScalar() && absl::SimpleAtoi(node.Scalar(), &positions);
  if (number && positions > 0) return positions;
  return reader.ErrorAt(
      node, absl::StrCat("found ", what, " ", node.IsScalar() ? VisibleStart(node.Scalar()) : "",
                         "; a number of positions above 0 is expected"));
}

// "keep", "computed", "{positions: 4096}", "{computed: 4096}".
absl::StatusOr<RopeCacheSetting> ParseRopeCache(const YamlReader& reader, const YAML::Node& node) {
  RopeCacheSetting setting;
  if (!node.IsMap()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string word,
                               reader.OneOf(node, "rope_cache", Words{"keep", "computed"}));
    if (word == "computed") setting.kind = RopeCacheSetting::Kind::kComputed;
    return setting;
  }
  ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "rope_cache", Words{"positions", "computed"}));
  if (node.size() != 1) {
    return reader.ErrorAt(
        node, "'rope_cache' is keep or computed, or says either 'positions' or 'computed'");
  }
  const bool computed = static_cast<bool>(node["computed"]);
  setting.kind = computed ? RopeCacheSetting::Kind::kComputed : RopeCacheSetting::Kind::kTrim;
  const char* key = computed ? "computed" : "positions";
  ONNXQUANT_ASSIGN_OR_RETURN(setting.positions, ParsePositions(reader, node[key], key));
  return setting;
}

absl::StatusOr<methods::Method> ParseMethod(const YamlReader& reader, const YAML::Node& node) {
  Words words;
  for (const methods::MethodRow& row : methods::Methods()) words.emplace_back(row.word);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string word, reader.OneOf(node, "method", words));
  const auto row = std::find_if(methods::Methods().begin(), methods::Methods().end(),
                                [&word](const auto& one) { return one.word == word; });
  return row->method;
}

}  // namespace

std::vector<std::string> SettingKeys() {
  return {"compute", "weights",  "io",         "accuracy_level", "constants",
          "keep",    "residual", "rope_cache", "method",         "tie"};
}

absl::StatusOr<Settings> ParseSettings(const YamlReader& reader, const YAML::Node& node) {
  Settings set;
  if (node["compute"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.compute, ParseFloatType(reader, node["compute"], "compute"));
  }
  if (node["weights"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.weights, ParseWeights(reader, node["weights"]));
  }
  if (node["io"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.io, ParseFloatType(reader, node["io"], "io"));
  }
  if (node["accuracy_level"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        const std::string level,
        reader.OneOf(node["accuracy_level"], "accuracy_level", Words{"0", "1", "2", "3", "4"}));
    set.accuracy_level = level[0] - '0';
  }
  if (node["constants"]) {
    const YAML::Node constants = node["constants"];
    ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(constants, "constants", Words{"overflow"}));
    if (!constants["overflow"]) return reader.ErrorAt(constants, "'constants' sets nothing");
    ONNXQUANT_ASSIGN_OR_RETURN(
        const std::string overflow,
        reader.OneOf(constants["overflow"], "overflow", Words{"error", "clamp", "infinity"}));
    set.overflow = overflow == "clamp"      ? Overflow::kClamp
                   : overflow == "infinity" ? Overflow::kInfinity
                                            : Overflow::kError;
  }
  if (node["keep"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.keep, reader.Bool(node["keep"], "keep"));
  }
  if (node["residual"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.residual, ParseResidual(reader, node["residual"]));
  }
  if (node["rope_cache"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.rope_cache, ParseRopeCache(reader, node["rope_cache"]));
  }
  if (node["method"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.method, ParseMethod(reader, node["method"]));
  }
  if (node["tie"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(set.tie, reader.Bool(node["tie"], "tie"));
  }
  return set;
}

}  // namespace onnxquant
