#include "tools/print.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace onnxquant::cli {

void PrintText(const std::string& text, std::FILE* stream) {
  // What does not get through is seen at the end of the run (tools/program.cc).
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream));
}

void PrintJsonArray(absl::Span<const std::string> documents) {
  PrintText("[\n");
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const absl::string_view document = absl::StripTrailingAsciiWhitespace(documents[i]);
    PrintText(absl::StrCat(document, i + 1 < documents.size() ? ",\n" : "\n"));
  }
  PrintText("]\n");
}

}  // namespace onnxquant::cli
