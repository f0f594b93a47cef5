#include "lib/text/json_text.h"

#include <unordered_set>
#include <vector>

#include "lib/text/json_walk.h"

namespace onnxquant {
namespace {

class Checker : public JsonWalk {
 public:
  Checker(absl::string_view text, const std::string& origin, const JsonRule& rule)
      : JsonWalk(text, origin, rule), unique_(rule.unique_keys) {}

 private:
  void OnOpen(bool object) override {
    if (object && unique_) keys_.emplace_back();
  }
  void OnClose(bool object) override {
    if (object && unique_) keys_.pop_back();
  }
  bool OnKey(const std::string& name) override {
    if (!unique_ || keys_.back().insert(name).second) return true;
    return Refuse(taken() - 1, absl::StrCat("'", VisibleStart(name), "' stands twice here"));
  }

  const bool unique_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, const std::string& origin,
                                         const JsonRule& rule) {
  ONNXQUANT_RETURN_IF_ERROR(Checker(text, origin, rule).Walk());
  return nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
}

}  // namespace onnxquant
