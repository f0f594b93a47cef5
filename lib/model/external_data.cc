#include "lib/model/external_data.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/files/mapped_file.h"

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

// No folder (one that cannot be found) holds nothing.
bool IsInside(const fs::path& path, const fs::path& folder) {
  if (folder.empty()) return false;
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
  if (absl::StrContains(reference.location, '\0')) {
    return ModelError("external data location '", reference.location,
                      "' has a NUL in it, which no file's name has");
  }
  return reference;
}

absl::StatusOr<InputFile> OpenExternalFile(const ModelPlace& model, const std::string& location) {
  const fs::path relative(location);
  if (relative.is_absolute()) {
    return ModelError("external data location '", location,
                      "' is absolute; it must be relative to the model's folder");
  }
  const fs::path normal = relative.lexically_normal();
  if (normal.empty() || *normal.begin() == "..") {
    return ModelError("external data location '", location, "' leaves the model's folder");
  }
  const fs::path folder = ParentFolder(model.path);
  const fs::path file = folder / normal;
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  if (error) {
    return ModelError("external data file '", file.string(), "' cannot be found (", error.message(),
                      "); it belongs beside the model: download or copy it there");
  }
  const fs::path real_folder = fs::canonical(folder, error);
  const fs::path real_model =
      model.real.empty() ? fs::canonical(model.path, error) : fs::path(model.real);
  const auto check_place = [&](const fs::path& place) {
    if (IsInside(place, real_folder) || IsInside(place, real_model.parent_path())) {
      return absl::OkStatus();
    }
    return ModelError("external data location '", location, "' leads through a link to '",
                      place.string(), "', outside the model's folder");
  };
  ONNXQUANT_RETURN_IF_ERROR(check_place(real));
  if (!fs::is_regular_file(real, error)) {
    return ModelError("external data location '", location, "' is not a regular file");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(InputFile opened, InputFile::Open(file.string()));
  // The names may lead elsewhere by now: what counts is where they led when it was opened.
  if (!opened.real_path().empty()) {
    ONNXQUANT_RETURN_IF_ERROR(check_place(opened.real_path()));
    return opened;
  }
  const std::optional<FileStamp> checked = StampAt(real.string());
  if (checked.has_value() && checked->SameFile(opened.stamp())) return opened;
  return ModelError("external data location '", location,
                    "' led to another file while it was opened; run again once nothing changes "
                    "the folder");
}

absl::StatusOr<onnx::ModelProto> ReadWholeModel(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  onnx::ModelProto model;
  constexpr std::size_t kLargestMessage = 2'147'483'647;
  const bool parsed =
      file.bytes().size() <= kLargestMessage &&
      model.ParseFromArray(file.bytes().data(), static_cast<int>(file.bytes().size()));
  ONNXQUANT_RETURN_IF_ERROR(file.CheckUnchanged());
  if (!parsed) return ModelError(path, ": not a valid ONNX file");
  return model;
}

std::string ResolveLocations(const std::string& model_path, onnx::ModelProto& model) {
  std::error_code error;
  const fs::path folder = fs::absolute(model_path, error).parent_path();
  std::map<std::string, fs::path> files;  // by location
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    for (const auto& entry : tensor.external_data()) {
      if (entry.key() != "location") continue;
      const fs::path real = fs::canonical(folder / entry.value(), error);
      if (error) return folder.string();
      files[entry.value()] = real;
    }
  }
  for (const fs::path& base :
       {fs::canonical(folder, error), fs::canonical(model_path, error).parent_path()}) {
    const bool holds_all = std::all_of(files.begin(), files.end(), [&base](const auto& file) {
      return IsInside(file.second, base);
    });
    if (!holds_all) continue;
    for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
      for (auto& entry : *tensor.mutable_external_data()) {
        if (entry.key() != "location") continue;
        entry.set_value(files[entry.value()].lexically_relative(base).string());
      }
    }
    return base.string();
  }
  return folder.string();
}

}  // namespace onnxquant
