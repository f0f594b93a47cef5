#include "lib/text/json_edit.h"

#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

constexpr char kDefaultLead[] = "\n  ";

bool HasLineBreak(const std::string& blanks) {
  return absl::StrContains(blanks, "\n");
}

// The last line break of some white space, and what stands behind it.
std::string LineBreak(const std::string& blanks) {
  return absl::StrContains(blanks, "\r\n") ? "\r\n" : "\n";
}
std::string Indentation(const std::string& blanks) {
  return blanks.substr(blanks.rfind('\n') + 1);
}

std::string Quoted(const std::string& key) {
  return nlohmann::json(key).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<JsonEdit> JsonEdit::Open(std::string text, int depth, const std::string& origin,
                                        ErrorKind kind) {
  JsonEdit edit(std::move(text), depth, origin, kind);
  ONNXQUANT_ASSIGN_OR_RETURN(edit.root_, FindMembers(edit.text_, depth, origin, kind));
  return edit;
}

absl::StatusOr<JsonEdit::Place> JsonEdit::Find(JsonPath path) const {
  Place place;
  place.parent = &root_;
  for (std::size_t level = 0; level < path.size(); ++level) {
    const JsonMember* found = nullptr;
    for (const JsonMember& member : place.parent->members) {
      if (member.key != path[level]) continue;
      if (found != nullptr) {
        return MakeError(kind_, absl::StrCat(PlaceName(origin_, text_, member.key_begin), ": '",
                                             VisibleStart(member.key),
                                             "' stands twice here; leave one of them"));
      }
      found = &member;
    }
    place.member = found;
    if (level + 1 == path.size()) break;
    place.owner = found;
    place.parent = found == nullptr ? nullptr : found->object.get();
    place.member = nullptr;
    if (place.parent == nullptr) break;
  }
  return place;
}

absl::StatusOr<std::optional<nlohmann::json>> JsonEdit::Get(JsonPath path) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.member == nullptr) return std::optional<nlohmann::json>();
  const char* text = text_.data();
  return std::optional<nlohmann::json>(nlohmann::json::parse(
      text + place.member->value_begin, text + place.member->value_end, nullptr, false));
}

absl::Status JsonEdit::Set(JsonPath path, const nlohmann::json& value) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.parent == nullptr) {
    return InternalError(origin_, ": what should hold '", path.back(), "' is no object");
  }
  const std::string literal = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (place.member != nullptr) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<nlohmann::json> old, Get(path));
    if (old == value) return absl::OkStatus();
    return Splice(place.member->value_begin, place.member->value_end, literal);
  }
  if (place.parent->members.empty()) {
    return Splice(place.parent->begin, place.parent->end, FirstMember(place, path.back(), literal));
  }
  const std::size_t behind = place.parent->members.back().value_end;
  return Splice(behind, behind, Addition(*place.parent, path.back(), literal));
}

absl::Status JsonEdit::Remove(JsonPath path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.member == nullptr) return absl::OkStatus();
  const std::vector<JsonMember>& members = place.parent->members;
  const auto index = static_cast<std::size_t>(place.member - members.data());
  // With the comma before it or behind it.
  if (index + 1 < members.size()) {
    return Splice(members[index].key_begin, members[index + 1].key_begin, "");
  }
  if (index > 0) return Splice(members[index - 1].value_end, members[index].value_end, "");
  return Splice(place.parent->begin, place.parent->end, "{}");
}

// What stands where is found anew: edits are few, and each may move what is behind it.
absl::Status JsonEdit::Splice(std::size_t begin, std::size_t end, const std::string& bytes) {
  text_.replace(begin, end - begin, bytes);
  ONNXQUANT_ASSIGN_OR_RETURN(root_, FindMembers(text_, depth_, origin_, kind_));
  return absl::OkStatus();
}

std::string JsonEdit::Lead(const JsonMember& member) const {
  const std::size_t before = text_.find_last_not_of(" \t\r\n", member.key_begin - 1);
  return text_.substr(before + 1, member.key_begin - before - 1);
}

// What stands between a key and its value.
std::string JsonEdit::Colon(const JsonObject& object) const {
  if (object.members.empty()) return ": ";
  const JsonMember& like = object.members.back();
  const std::string colon = text_.substr(like.key_end, like.value_begin - like.key_end);
  return HasLineBreak(colon) ? ": " : colon;
}

std::string JsonEdit::Addition(const JsonObject& object, const std::string& key,
                               const std::string& value) const {
  const std::string colon = Colon(object);
  std::string lead = Lead(object.members.back());
  // The first member of a line has no blank before it that others have.
  if (object.members.size() == 1 && !HasLineBreak(lead)) {
    lead = absl::EndsWith(colon, " ") ? " " : "";
  }
  return absl::StrCat(",", lead, Quoted(key), colon, value);
}

// An object that had no members: broken into lines if what holds it is.
std::string JsonEdit::FirstMember(const Place& place, const std::string& key,
                                  const std::string& value) const {
  const bool bare = root_.members.empty();
  const std::string outer_lead = bare ? kDefaultLead : Lead(root_.members.front());
  const std::string own_lead = place.owner == nullptr ? outer_lead : Lead(*place.owner);
  const std::string member = absl::StrCat(Quoted(key), Colon(root_), value);
  if (!HasLineBreak(own_lead)) return absl::StrCat("{", member, "}");
  const std::string line = LineBreak(own_lead);
  const std::string unit = Indentation(outer_lead);
  const std::string own = place.owner == nullptr ? "" : Indentation(own_lead);
  return absl::StrCat("{", line, own, unit, member, line, own, "}");
}

}  // namespace onnxquant
