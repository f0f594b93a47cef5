// YAML that may be damaged, or made to harm.
#ifndef ONNXQUANT_LIB_TEXT_YAML_TEXT_H_
#define ONNXQUANT_LIB_TEXT_YAML_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "yaml-cpp/yaml.h"

namespace onnxquant {

struct YamlRule {
  ErrorKind kind = ErrorKind::kPolicy;
  const char* what = "";     // "a policy"
  std::int64_t largest = 0;  // bytes, each alias counted as what it stands for
  std::int64_t nodes = 0;    // likewise
  int depth = 0;
  int shift = 0;  // columns that the caller has put before the user's text on its first line
};

// The only document of `text`. Errors begin with `origin:LINE:COLUMN:`. Refused: bytes that are no
// UTF-8, control characters, a NUL in a scalar, a second document and whatever else stands behind
// the first, nothing at all, and what passes the rule's bounds. The work is bounded by the text's
// size.
absl::StatusOr<YAML::Node> ParseYaml(const std::string& text, const std::string& origin,
                                     const YamlRule& rule);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_YAML_TEXT_H_
