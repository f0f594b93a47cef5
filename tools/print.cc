#include "tools/print.h"

namespace onnxquant::cli {

void PrintText(const std::string& text, std::FILE* stream) {
  // What does not get through is seen at the end of the run (tools/program.cc).
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream));
}

}  // namespace onnxquant::cli
