#include "lib/model/other_formats.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "lib/base/error.h"

namespace onnxquant {

absl::Status RefuseOtherFormats(absl::Span<const std::byte> bytes, const std::string& path) {
  if (bytes.empty()) return ModelError(path, ": is empty");
  const std::string head(reinterpret_cast<const char*>(bytes.data()),
                         std::min<std::size_t>(bytes.size(), 16));
  const auto refuse = [&path](const char* what) {
    return ModelError(path, ": is ", what, ", not an ONNX model");
  };
  if (absl::StartsWith(head, "GGUF")) return refuse("a GGUF file");
  if (absl::StartsWith(head, "PK\x03\x04")) return refuse("a zip archive (a PyTorch checkpoint?)");
  if (absl::StartsWith(head, "version https:")) {
    return refuse("a Git LFS pointer: fetch the file itself (git lfs pull)");
  }
  if (head.size() > 9 && head[8] == '{' && head[9] == '"') return refuse("a safetensors file");
  if (head[0] == '<' || head[0] == '{') return refuse("a text file");
  return absl::OkStatus();
}

}  // namespace onnxquant
