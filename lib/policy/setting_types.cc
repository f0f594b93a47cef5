// `compute` and `io`: a type of floats each.
#include <string>

#include "lib/base/error.h"
#include "lib/formats/weight_format.h"
#include "lib/policy/float_words.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

template <auto Field>
std::string Words(const Settings& set) {
  return TypeWord(*(set.*Field));
}

template <auto Field>
int Opset(const Settings& set) {
  return LeastOpset(*(set.*Field));
}

absl::StatusOr<ElementType> ParseType(const YamlReader& reader, const YAML::Node& node,
                                      const char* key) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string word, reader.OneOf(node, key, FloatWords()));
  return TypeOfFloatWord(word);
}

absl::Status ParseCompute(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.compute, ParseType(reader, node, "compute"));
  return absl::OkStatus();
}

absl::Status ParseIo(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.io, ParseType(reader, node, "io"));
  return absl::OkStatus();
}

bool Computes(const Settings& /*set*/, const Subject& subject) {
  return subject.computes;
}

bool IsInputOrOutput(const Settings& /*set*/, const Subject& subject) {
  return subject.io;
}

nlohmann::ordered_json Schema() {
  return json_schema::Enum(FloatWords());
}

}  // namespace

std::vector<std::string> FloatWords() {
  return {"float32", "float16", "bfloat16", TypeWord(kAsInSource)};
}

ElementType TypeOfFloatWord(const std::string& word) {
  return word == TypeWord(kAsInSource) ? kAsInSource : *ElementTypeFromName(word);
}

int LeastOpset(ElementType type) {
  constexpr int kCastsToBFloat16 = 13;
  return type == ElementType::kBFloat16 ? kCastsToBFloat16 : 0;
}

const SettingRow kComputeSetting = {.key = "compute",
                                    .about = "the node's arithmetic and its float outputs",
                                    .field = kComputeField,
                                    .given = IsGiven<&Settings::compute>,
                                    .words = Words<&Settings::compute>,
                                    .apply = Take<&Settings::compute, &Resolved::compute>,
                                    .acts = Computes,
                                    .opset = Opset<&Settings::compute>,
                                    .parse = ParseCompute,
                                    .schema = Schema};

const SettingRow kIoSetting = {.key = "io",
                               .about = "the type of float graph inputs and outputs",
                               .field = kIoField,
                               .given = IsGiven<&Settings::io>,
                               .words = Words<&Settings::io>,
                               .apply = Take<&Settings::io, &Resolved::io>,
                               .acts = IsInputOrOutput,
                               .opset = Opset<&Settings::io>,
                               .parse = ParseIo,
                               .schema = Schema};

}  // namespace onnxquant
