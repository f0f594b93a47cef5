// "Did you mean …" for misspelt names.
#ifndef ONNXQUANT_LIB_BASE_SUGGEST_H_
#define ONNXQUANT_LIB_BASE_SUGGEST_H_

#include <string>

#include "absl/types/span.h"

namespace onnxquant {

// The candidate nearest to `word` in edit distance (insert, delete, replace, swap of neighbours),
// or
// "" when none is near enough to be what the user meant (at most a third of the longer word).
std::string Nearest(const std::string& word, absl::Span<const std::string> candidates);

// "; did you mean 'x'?" or "".
std::string DidYouMean(const std::string& word, absl::Span<const std::string> candidates);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_SUGGEST_H_
