// Changes members of a JSON text in place: every byte that is not theirs stays as it is.
#ifndef ONNXQUANT_LIB_TEXT_JSON_EDIT_H_
#define ONNXQUANT_LIB_TEXT_JSON_EDIT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/text/json_members.h"
#include "nlohmann/json.hpp"
#include "onnxquant/error.h"

namespace onnxquant {

// Keys from the outermost object inwards.
using JsonPath = absl::Span<const std::string>;

class JsonEdit {
 public:
  // An object whose members are edited down to `depth` levels. Errors as FindMembers'.
  static absl::StatusOr<JsonEdit> Open(std::string text, int depth, const std::string& origin,
                                       ErrorKind kind);

  const std::string& text() const { return text_; }

  // The value there; nothing where there is none, or what should hold it is no object. Error: a key
  // of the path stands twice, so that it is not plain which one counts.
  absl::StatusOr<std::optional<nlohmann::json>> Get(JsonPath path) const;

  // Gives a member of an object that is there its value: in the place of the one that it has,
  // unless that is equal, or behind the others, written as they are (line breaks, indentation,
  // blanks). `value`: no object but an empty one.
  absl::Status Set(JsonPath path, const nlohmann::json& value);

  // Nothing happens where there is none.
  absl::Status Remove(JsonPath path);

 private:
  struct Place {
    const JsonObject* parent = nullptr;  // null: not there
    const JsonMember* owner = nullptr;   // the member whose value `parent` is; null: the outermost
    const JsonMember* member = nullptr;
  };

  JsonEdit(std::string text, int depth, std::string origin, ErrorKind kind)
      : text_(std::move(text)), depth_(depth), origin_(std::move(origin)), kind_(kind) {}

  absl::StatusOr<Place> Find(JsonPath path) const;
  absl::Status Splice(std::size_t begin, std::size_t end, const std::string& bytes);
  // The white space before a member's key.
  std::string Lead(const JsonMember& member) const;
  std::string Colon(const JsonObject& object) const;
  std::string Addition(const JsonObject& object, const std::string& key,
                       const std::string& value) const;
  std::string FirstMember(const Place& place, const std::string& key,
                          const std::string& value) const;

  std::string text_;
  int depth_;
  std::string origin_;
  ErrorKind kind_;
  JsonObject root_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_JSON_EDIT_H_
