#include "lib/policy/pattern.h"

#include <re2/re2.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

const char* RemedyOf(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape:
    case RE2::ErrorBadPerlOp:
    case RE2::ErrorBadNamedCapture:
      return "; the syntax is RE2's, which has no back references (\\1) and no look-ahead or "
             "look-behind ((?=…), (?!…), (?<=…)); several rules, or a list of expressions, say "
             "the same";
    case RE2::ErrorPatternTooLarge:
    case RE2::ErrorRepeatSize:
      return "; repeat less, or split it into several expressions";
    default:
      return "";
  }
}

}  // namespace

absl::StatusOr<Pattern> Pattern::Compile(const std::string& text) {
  if (static_cast<std::int64_t>(text.size()) > limits::kRegexBytes) {
    return PolicyError("the regular expression '", VisibleStart(text), "' has ", text.size(),
                       " bytes; at most ", limits::kRegexBytes, " are allowed");
  }
  RE2::Options options;
  options.set_max_mem(limits::kRegexMemory);
  options.set_log_errors(false);
  auto compiled = std::make_shared<const RE2>(text, options);
  if (!compiled->ok()) {
    return PolicyError("'", VisibleStart(text),
                       "' is no valid regular expression: ", VisibleStart(compiled->error()),
                       RemedyOf(compiled->error_code()));
  }
  return Pattern(std::move(compiled));
}

const std::string& Pattern::text() const {
  return compiled_->pattern();
}

bool Pattern::IsFoundIn(const std::string& text) const {
  return RE2::PartialMatch(text, *compiled_);
}

}  // namespace onnxquant
