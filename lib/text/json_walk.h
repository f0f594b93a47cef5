// One walk over a JSON text that stays within bounds and knows at each event which bytes it has
// read. What ParseJson and FindMembers have in common; others use those.
#ifndef ONNXQUANT_LIB_TEXT_JSON_WALK_H_
#define ONNXQUANT_LIB_TEXT_JSON_WALK_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {

// Characters of a text; how many the parser has taken is counted for all copies together.
class CountedCharacters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountedCharacters(const char* place, std::size_t* taken) : place_(place), taken_(taken) {}
  reference operator*() const { return *place_; }
  CountedCharacters& operator++() {
    ++place_;
    ++*taken_;
    return *this;
  }
  // NOLINTNEXTLINE(cert-dcl21-cpp): an iterator is no const object
  CountedCharacters operator++(int) {
    CountedCharacters before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountedCharacters& other) const { return place_ == other.place_; }

 private:
  const char* place_;
  std::size_t* taken_;
};

// nlohmann's parser takes a token at a time and tells of it at once, so that at each event
// `taken()` is the end of the token: of a number, one character further unless the text ends.
class JsonWalk : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonWalk(absl::string_view text, const std::string& origin, const JsonRule& rule)
      : text_(text), origin_(origin), rule_(rule) {}

  absl::Status Walk() {
    const CountedCharacters begin(text_.data(), &taken_);
    const CountedCharacters end(text_.data() + text_.size(), &taken_);
    if (!nlohmann::json::sax_parse(begin, end, this) && status_.ok()) {
      Refuse(taken_, "is not valid JSON");
    }
    return status_;
  }

  bool null() final { return Scalar(); }
  bool boolean(bool) final { return Scalar(); }
  bool number_integer(number_integer_t) final { return Scalar(); }
  bool number_unsigned(number_unsigned_t) final { return Scalar(); }
  bool number_float(number_float_t, const string_t&) final { return Scalar(); }
  bool string(string_t&) final { return Scalar(); }
  bool binary(binary_t&) final { return Scalar(); }
  bool start_object(std::size_t) final { return Open(true); }
  bool start_array(std::size_t) final { return Open(false); }
  bool key(string_t& name) final { return OnKey(name); }
  bool end_object() final { return Close(true); }
  bool end_array() final { return Close(false); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) final {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error …": the place
    // stands before it in our form.
    absl::string_view words = error.what();
    const std::size_t id = words.find("] ");
    if (id != absl::string_view::npos) words.remove_prefix(id + 2);
    const std::size_t place = words.find(": ");
    if (absl::StartsWith(words, "parse error") && place != absl::string_view::npos) {
      words.remove_prefix(place + 2);
    }
    constexpr std::size_t kWords = 300;
    const std::size_t byte = position == 0 ? taken_ : position;
    return Refuse(byte == 0 ? 0 : byte - 1,
                  absl::StrCat("is not valid JSON: ", VisibleStart(words, kWords)));
  }

 protected:
  virtual void OnScalar() {}
  virtual void OnOpen(bool /*object*/) {}
  virtual void OnClose(bool /*object*/) {}
  virtual bool OnKey(const std::string& /*name*/) { return true; }

  // Always false, which ends the walk.
  bool Refuse(std::size_t byte, const std::string& message) {
    status_ = MakeError(rule_.kind,
                        absl::StrCat(PlaceName(origin_, text_, byte, rule_.line), ": ", message));
    return false;
  }

  absl::string_view text() const { return text_; }
  std::size_t taken() const { return taken_; }

 private:
  bool Counted() {
    if (++values_ <= rule_.values) return true;
    return Refuse(taken_ - 1, absl::StrCat("holds more than ", rule_.values, " values"));
  }
  bool Scalar() {
    if (!Counted()) return false;
    OnScalar();
    return true;
  }
  bool Open(bool object) {
    if (++depth_ > limits::kJsonDepth) {
      return Refuse(taken_ - 1,
                    absl::StrCat("is nested more than ", limits::kJsonDepth, " levels deep"));
    }
    if (!Counted()) return false;
    OnOpen(object);
    return true;
  }
  bool Close(bool object) {
    --depth_;
    OnClose(object);
    return true;
  }

  absl::string_view text_;
  const std::string& origin_;
  const JsonRule rule_;
  absl::Status status_;
  std::size_t taken_ = 0;
  std::int64_t values_ = 0;
  int depth_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_JSON_WALK_H_
