// Text of others, made fit to be shown.
#ifndef ONNXQUANT_LIB_BASE_VISIBLE_H_
#define ONNXQUANT_LIB_BASE_VISIBLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace onnxquant {

// What a terminal would obey rather than show stands as an escape (\n, \x1b, \u202e): control
// characters, those that turn the direction of text, and bytes that are no UTF-8. All else stays as
// it is, backslashes too, so that doing it twice changes nothing more.
std::string Visible(absl::string_view text);

// The same, cut to `most` bytes with an ellipsis behind it: for messages that quote a text.
std::string VisibleStart(absl::string_view text, std::size_t most = 80);

// How many bytes from the start are whole characters of UTF-8: all of them where the text is valid.
std::size_t ValidUtf8Prefix(absl::string_view text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_VISIBLE_H_
