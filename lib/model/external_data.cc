#include "lib/model/external_data.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/numbers.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::uint64_t> ParseCount(const std::string& key, const std::string& value) {
  std::uint64_t number = 0;
  const bool digits = !value.empty() && std::all_of(value.begin(), value.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(value, &number)) {
    return ModelError("external data has ", key, " '", value, "'; a number of bytes is expected");
  }
  return number;
}

bool IsInside(const fs::path& path, const fs::path& folder) {
  const auto [end, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

}  // namespace

absl::StatusOr<ExternalReference> ParseExternalReference(const onnx::TensorProto& tensor) {
  ExternalReference reference;
  std::set<std::string> seen;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (!seen.insert(entry.key()).second) {
      return ModelError("external data has '", entry.key(), "' twice");
    }
    if (entry.key() == "location") {
      reference.location = entry.value();
    } else if (entry.key() == "offset") {
      ONNXQUANT_ASSIGN_OR_RETURN(reference.offset, ParseCount("offset", entry.value()));
    } else if (entry.key() == "length") {
      ONNXQUANT_ASSIGN_OR_RETURN(reference.length, ParseCount("length", entry.value()));
    } else if (entry.key() != "checksum") {
      return ModelError("external data has the unknown key '", entry.key(),
                        "'; location, offset, length and checksum are known");
    }
  }
  if (reference.location.empty()) return ModelError("external data names no location");
  return reference;
}

absl::StatusOr<std::string> ResolveExternalFile(const std::string& model_path,
                                                const std::string& location) {
  const fs::path relative(location);
  if (relative.is_absolute()) {
    return ModelError("external data location '", location,
                      "' is absolute; it must be relative to the model's folder");
  }
  const fs::path normal = relative.lexically_normal();
  if (normal.empty() || *normal.begin() == "..") {
    return ModelError("external data location '", location, "' leaves the model's folder");
  }
  fs::path folder = fs::path(model_path).parent_path();
  if (folder.empty()) folder = ".";
  const fs::path file = folder / normal;
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  if (error) {
    return ModelError("external data file '", file.string(), "' cannot be found (", error.message(),
                      "); it belongs beside the model: download or copy it there");
  }
  const fs::path real_folder = fs::canonical(folder, error);
  const fs::path real_model = fs::canonical(model_path, error);
  if (!IsInside(real, real_folder) && !IsInside(real, real_model.parent_path())) {
    return ModelError("external data location '", location, "' leads through a link to '",
                      real.string(), "', outside the model's folder");
  }
  if (!fs::is_regular_file(real, error)) {
    return ModelError("external data location '", location, "' is not a regular file");
  }
  return file.string();
}

}  // namespace onnxquant
