// `rope_cache`: "keep", "computed", "{positions: 4096}", "{computed: 4096}".
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

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

absl::StatusOr<RopeCacheSetting> ParseRopeCache(const YamlReader& reader, const YAML::Node& node) {
  RopeCacheSetting setting;
  if (!node.IsMap()) {
    const absl::StatusOr<std::string> word =
        reader.OneOf(node, "rope_cache", Words{"keep", "computed"});
    if (!word.ok()) return word.status();
    if (*word == "computed") setting.kind = RopeCacheSetting::Kind::kComputed;
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

absl::Status Parse(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.rope_cache, ParseRopeCache(reader, node));
  return absl::OkStatus();
}

std::string Say(const Settings& set) {
  return ToString(*set.rope_cache);
}

bool Acts(const Settings& /*set*/, const Subject& subject) {
  return subject.turns;
}

// Computed tables begin with a Range.
int Opset(const Settings& set) {
  constexpr int kHasRange = 11;
  return set.rope_cache->kind == RopeCacheSetting::Kind::kComputed ? kHasRange : 0;
}

nlohmann::ordered_json Schema() {
  using json_schema::Enum;
  using json_schema::Object;
  const json_schema::Json positions = {{"type", "integer"}, {"minimum", 1}};
  return {{"anyOf",
           {Enum({"keep", "computed"}), Object({{"positions", positions}}, {"positions"}),
            Object({{"computed", positions}}, {"computed"})}}};
}

}  // namespace

const SettingRow kRopeCacheSetting = {.key = "rope_cache",
                                      .about = "what is done with the tables of rotary embeddings",
                                      .field = kRopeCacheField,
                                      .given = IsGiven<&Settings::rope_cache>,
                                      .words = Say,
                                      .apply = Take<&Settings::rope_cache, &Resolved::rope_cache>,
                                      .acts = Acts,
                                      .opset = Opset,
                                      .parse = Parse,
                                      .schema = Schema};

}  // namespace onnxquant
