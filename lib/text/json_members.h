// Where the members of a JSON text's outer objects stand, byte by byte.
#ifndef ONNXQUANT_LIB_TEXT_JSON_MEMBERS_H_
#define ONNXQUANT_LIB_TEXT_JSON_MEMBERS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "onnxquant/error.h"

namespace onnxquant {

struct JsonObject;

// Half-open ranges of bytes: the key with its quotes, and the value.
struct JsonMember {
  std::string key;  // unescaped
  std::size_t key_begin = 0;
  std::size_t key_end = 0;
  std::size_t value_begin = 0;
  std::size_t value_end = 0;
  std::unique_ptr<JsonObject> object;  // null: the value is none, or lies too deep
};

struct JsonObject {
  std::size_t begin = 0;  // of the opening brace
  std::size_t end = 0;    // behind the closing one
  std::vector<JsonMember> members;
};

// The outermost object, and objects within objects down to `depth` levels in all. Errors as
// ParseJson's (keys may stand twice), and where the text is no object.
absl::StatusOr<JsonObject> FindMembers(absl::string_view text, int depth, const std::string& origin,
                                       ErrorKind kind);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_JSON_MEMBERS_H_
