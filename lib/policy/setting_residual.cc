// `residual`: "float32", "{rescale: auto}", "{rescale: 5}", "{clip: 60000}".
#include <string>
#include <utility>
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

absl::Status Parse(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.residual, ParseResidual(reader, node));
  return absl::OkStatus();
}

std::string Say(const Settings& set) {
  return ToString(*set.residual);
}

bool Acts(const Settings& /*set*/, const Subject& subject) {
  return subject.sums;
}

nlohmann::ordered_json Schema() {
  using json_schema::Json;
  using json_schema::Object;
  const Json exponent = {
      {"type", "integer"}, {"minimum", 1}, {"maximum", ResidualSetting::kLargestExponent}};
  Json rescale = {{"anyOf", {Json{{"const", "auto"}}, exponent}}};
  const Json limit = {{"type", "number"}, {"exclusiveMinimum", 0}};
  return {{"anyOf",
           {Json{{"const", "float32"}}, Object({{"rescale", std::move(rescale)}}, {"rescale"}),
            Object({{"clip", limit}}, {"clip"})}}};
}

}  // namespace

const SettingRow kResidualSetting = {.key = "residual",
                                     .about = "what makes the residual stream fit its type",
                                     .field = kResidualField,
                                     .given = IsGiven<&Settings::residual>,
                                     .words = Say,
                                     .apply = Take<&Settings::residual, &Resolved::residual>,
                                     .acts = Acts,
                                     .parse = Parse,
                                     .schema = Schema};

}  // namespace onnxquant
