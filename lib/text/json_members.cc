#include "lib/text/json_members.h"

#include <utility>

#include "lib/text/json_walk.h"

namespace onnxquant {
namespace {

class MemberFinder : public JsonWalk {
 public:
  MemberFinder(absl::string_view text, int depth, const std::string& origin, ErrorKind kind)
      : JsonWalk(text, origin, {.kind = kind}), depth_(depth) {}

  // The outermost object, if the text was one.
  bool found() const { return found_; }
  JsonObject& root() { return root_; }

 private:
  // Where the token begins that follows what was read before.
  std::size_t NextToken() const { return text().find_first_not_of(" \t\r\n,:", last_end_); }

  bool OnKey(const std::string& name) override {
    if (Keeps()) {
      JsonMember member;
      member.key = name;
      member.key_begin = NextToken();
      member.key_end = taken();
      objects_.back()->members.push_back(std::move(member));
    }
    last_end_ = taken();
    return true;
  }

  void OnScalar() override {
    const std::size_t begin = NextToken();
    const bool number = text()[begin] == '-' || (text()[begin] >= '0' && text()[begin] <= '9');
    std::size_t end = taken();
    if (number) end = std::min(text().find_first_not_of("+-.0123456789eE", begin), text().size());
    Place(begin, end);
    last_end_ = end;
  }

  void OnOpen(bool object) override {
    const std::size_t begin = taken() - 1;
    if (objects_.empty() && open_ == 0 && object) {
      found_ = true;
      root_.begin = begin;
      objects_.push_back(&root_);
    } else if (Keeps() && object && static_cast<int>(objects_.size()) < depth_) {
      JsonMember& member = objects_.back()->members.back();
      member.value_begin = begin;
      member.object = std::make_unique<JsonObject>();
      member.object->begin = begin;
      objects_.push_back(member.object.get());
    } else {
      if (Keeps()) objects_.back()->members.back().value_begin = begin;
      ++skipped_;
    }
    ++open_;
    last_end_ = taken();
  }

  void OnClose(bool /*object*/) override {
    --open_;
    if (skipped_ > 0) {
      --skipped_;
    } else {
      objects_.back()->end = taken();
      objects_.pop_back();
    }
    if (Keeps()) objects_.back()->members.back().value_end = taken();
    last_end_ = taken();
  }

  // Whether the innermost open object or array is one whose members are kept.
  bool Keeps() const { return skipped_ == 0 && !objects_.empty(); }

  void Place(std::size_t begin, std::size_t end) {
    if (!Keeps()) return;
    JsonMember& member = objects_.back()->members.back();
    member.value_begin = begin;
    member.value_end = end;
  }

  const int depth_;
  bool found_ = false;
  JsonObject root_;
  std::vector<JsonObject*> objects_;  // those that are open and kept
  int skipped_ = 0;                   // those that are open within them and not kept
  int open_ = 0;
  std::size_t last_end_ = 0;
};

}  // namespace

absl::StatusOr<JsonObject> FindMembers(absl::string_view text, int depth, const std::string& origin,
                                       ErrorKind kind) {
  MemberFinder finder(text, depth, origin, kind);
  ONNXQUANT_RETURN_IF_ERROR(finder.Walk());
  if (!finder.found()) return MakeError(kind, absl::StrCat(origin, ": is not a JSON object"));
  return std::move(finder.root());
}

}  // namespace onnxquant
