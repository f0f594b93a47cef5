// A regular expression of a policy.
#ifndef ONNXQUANT_LIB_POLICY_PATTERN_H_
#define ONNXQUANT_LIB_POLICY_PATTERN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace onnxquant {

// In RE2's syntax, whose search takes time in proportion to the text and bounded memory, whatever
// the expression: no back references, no looking ahead or behind. Copies share what is compiled.
class Pattern {
 public:
  // Error: what is wrong with it, without a place; the kind is kPolicy.
  static absl::StatusOr<Pattern> Compile(const std::string& text);

  const std::string& text() const;
  // Whether it is found anywhere in the text.
  bool IsFoundIn(const std::string& text) const;

 private:
  explicit Pattern(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PATTERN_H_
