#include "lib/text/yaml_text.h"

#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/text/read_text.h"
#include "yaml-cpp/eventhandler.h"

namespace onnxquant {
namespace {

// What the bounds refuse, apart from what yaml-cpp itself does.
struct Refused : YAML::ParserException {
  using YAML::ParserException::ParserException;
};

struct Weight {
  std::int64_t nodes = 0;
  std::int64_t bytes = 0;
};

// Reads the events of a text before anything is built of them, and throws, as yaml-cpp does itself,
// where one passes the bounds.
class Bounds : public YAML::EventHandler {
 public:
  Bounds(absl::string_view text, const YamlRule& rule) : text_(text), rule_(rule) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    const absl::string_view rest =
        text_.substr(std::min(text_.size(), static_cast<std::size_t>(std::max(mark.pos, 0))));
    if (absl::StartsWith(rest, "---")) {
      Refuse(mark, absl::StrCat("a second document starts here; ", rule_.what, " is one document"));
    }
    const absl::string_view line = rest.substr(0, rest.find('\n'));
    constexpr std::size_t kShown = 40;
    Refuse(mark, absl::StrCat("found '", VisibleStart(line, kShown), "' behind the end of ",
                              rule_.what, ", which is one mapping"));
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Leaf(mark, anchor, 0); }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    if (value.find('\0') != std::string::npos) Refuse(mark, "found a text that holds a NUL");
    Leaf(mark, anchor, static_cast<std::int64_t>(value.size()));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) Refuse(mark, "an alias stands within what it stands for");
    Add(mark, found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Opened {
    YAML::anchor_t anchor;
    Weight before;
  };

  [[noreturn]] static void Refuse(const YAML::Mark& mark, const std::string& message) {
    throw Refused(mark, message);
  }

  void Add(const YAML::Mark& mark, Weight weight) {
    total_.nodes += weight.nodes;
    total_.bytes += weight.bytes;
    if (total_.nodes > rule_.nodes) {
      Refuse(mark, absl::StrCat("has more than ", rule_.nodes,
                                " nodes, each alias counted as what it stands for; ", rule_.what,
                                " has fewer"));
    }
    if (total_.bytes > rule_.largest) {
      Refuse(mark, absl::StrCat("is, with its aliases written out, larger than ", rule_.largest,
                                " bytes; ", rule_.what, " is smaller"));
    }
  }
  void Leaf(const YAML::Mark& mark, YAML::anchor_t anchor, std::int64_t bytes) {
    Add(mark, {1, bytes});
    if (anchor != YAML::NullAnchor) anchored_[anchor] = {1, bytes};
  }
  void Open(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (static_cast<int>(opened_.size()) == rule_.depth) {
      Refuse(mark,
             absl::StrCat("is nested deeper than ", rule_.what, " (", rule_.depth, " levels)"));
    }
    opened_.push_back({anchor, total_});
    Add(mark, {1, 0});
  }
  void Close() {
    const Opened& one = opened_.back();
    if (one.anchor != YAML::NullAnchor) {
      anchored_[one.anchor] = {total_.nodes - one.before.nodes, total_.bytes - one.before.bytes};
    }
    opened_.pop_back();
  }

  absl::string_view text_;
  const YamlRule& rule_;
  int documents_ = 0;
  Weight total_;
  std::vector<Opened> opened_;
  std::map<YAML::anchor_t, Weight> anchored_;  // what aliases may stand for
};

// The first byte that is no text, and what it is.
struct BadByte {
  std::size_t place = 0;
  std::string what;
};
std::optional<BadByte> FindBadByte(const std::string& text) {
  const std::size_t valid = ValidUtf8Prefix(text);
  for (std::size_t i = 0; i < valid; ++i) {
    const char c = text[i];
    const bool control =
        (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f;
    if (control) {
      return BadByte{i, absl::StrCat("found the control character ", Visible({&c, 1}))};
    }
  }
  if (valid == text.size()) return std::nullopt;
  return BadByte{
      valid, absl::StrCat("found the byte ", Visible({&text[valid], 1}), ", which is no UTF-8")};
}

class Parser {
 public:
  Parser(const std::string& text, const std::string& origin, const YamlRule& rule)
      : text_(text), origin_(origin), rule_(rule) {}

  absl::StatusOr<YAML::Node> Parse() const {
    if (static_cast<std::int64_t>(text_.size()) > rule_.largest) {
      return Error(0, 0,
                   absl::StrCat("is larger than ", rule_.what, " (", text_.size(),
                                " bytes; at most ", rule_.largest, ")"));
    }
    if (const std::optional<BadByte> bad = FindBadByte(text_)) {
      const TextPlace place = PlaceOf(text_, bad->place);
      return Error(place.line, place.column,
                   absl::StrCat(bad->what, "; ", rule_.what, " is UTF-8 text"));
    }
    try {
      // Never more than two: yaml-cpp makes documents for ever of a comma between them.
      std::istringstream stream(text_);
      YAML::Parser parser(stream);
      Bounds bounds(text_, rule_);
      if (parser.HandleNextDocument(bounds)) parser.HandleNextDocument(bounds);
      YAML::Node document = YAML::Load(text_);
      if (document.IsNull()) return Error(0, 0, absl::StrCat("is empty; expected ", rule_.what));
      return document;
    } catch (const Refused& error) {
      return Error(error.mark.line + 1, error.mark.column + 1, error.msg);
    } catch (const YAML::Exception& error) {
      return Error(error.mark.line + 1, error.mark.column + 1,
                   absl::StrCat("not valid YAML: ", VisibleStart(error.msg, kWords)));
    } catch (const std::exception& error) {
      return Error(0, 0, absl::StrCat("not valid YAML: ", error.what()));
    }
  }

 private:
  static constexpr std::size_t kWords = 300;

  absl::Status Error(int line, int column, const std::string& message) const {
    const std::string place =
        line <= 0 ? origin_
                  : absl::StrCat(origin_, ":", line, ":", column - (line == 1 ? rule_.shift : 0));
    return MakeError(rule_.kind, absl::StrCat(place, ": ", message));
  }

  const std::string& text_;
  const std::string& origin_;
  const YamlRule& rule_;
};

}  // namespace

absl::StatusOr<YAML::Node> ParseYaml(const std::string& text, const std::string& origin,
                                     const YamlRule& rule) {
  return Parser(text, origin, rule).Parse();
}

}  // namespace onnxquant
