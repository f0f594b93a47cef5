// Checked access to YAML nodes: every complaint begins with file:line:column.
#ifndef ONNXQUANT_LIB_POLICY_YAML_READER_H_
#define ONNXQUANT_LIB_POLICY_YAML_READER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/policy/policy.h"
#include "yaml-cpp/yaml.h"

namespace onnxquant {

class YamlReader {
 public:
  // `shift`: columns that the caller has put before the user's text on its first line.
  explicit YamlReader(std::string file, int shift = 0) : file_(std::move(file)), shift_(shift) {}

  // The only document of `text`, within the bounds of a policy (lib/text/yaml_text.h). `what` it
  // is, in messages: "a policy".
  absl::StatusOr<YAML::Node> Parse(const std::string& text, const char* what) const;

  SourceMark MarkOf(const YAML::Node& node) const;
  SourceMark MarkOf(const YAML::Mark& mark) const;
  absl::Status ErrorAt(const YAML::Node& node, const std::string& message) const;
  absl::Status ErrorAt(const YAML::Mark& mark, const std::string& message) const;

  // `what` names the mapping in messages ("a rule"). Keys outside `allowed` are refused, with a
  // better word for those of `later`, which the schema reserves; so are repeated keys.
  absl::Status CheckKeys(const YAML::Node& map, const std::string& what,
                         absl::Span<const std::string> allowed,
                         absl::Span<const std::string> later = {}) const;

  absl::StatusOr<std::string> Text(const YAML::Node& node, const std::string& what) const;
  absl::StatusOr<bool> Bool(const YAML::Node& node, const std::string& what) const;
  absl::StatusOr<int> Int(const YAML::Node& node, const std::string& what) const;
  // A finite number above 0.
  absl::StatusOr<double> Positive(const YAML::Node& node, const std::string& what) const;
  // A scalar counts as a list of one; an empty list is refused.
  absl::StatusOr<std::vector<YAML::Node>> List(const YAML::Node& node,
                                               const std::string& what) const;
  absl::StatusOr<std::vector<std::string>> Texts(const YAML::Node& node,
                                                 const std::string& what) const;
  // A text that must be one of `allowed`.
  absl::StatusOr<std::string> OneOf(const YAML::Node& node, const std::string& what,
                                    absl::Span<const std::string> allowed) const;

 private:
  std::string file_;
  int shift_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_YAML_READER_H_
