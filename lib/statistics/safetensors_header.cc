#include "lib/statistics/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/text/json_text.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
constexpr char kMetadata[] = "__metadata__";
static_assert(std::endian::native == std::endian::little);

// A whole number from 0 up that int64 holds.
bool IsSize(const Json& json) {
  return json.is_number_integer() && json >= 0 && json <= std::numeric_limits<std::int64_t>::max();
}
bool AreSizes(const Json& json) {
  return json.is_array() && std::all_of(json.begin(), json.end(), IsSize);
}

absl::StatusOr<std::map<std::string, std::string>> ReadMetadata(const std::string& path,
                                                                const Json& json,
                                                                const std::string& remedy) {
  std::map<std::string, std::string> metadata;
  bool good = json.is_object();
  if (good) {
    for (const auto& [key, value] : json.items()) {
      good = good && value.is_string();
      if (good) metadata[key] = value.get<std::string>();
    }
  }
  if (good) return metadata;
  return UsageError(path, ": ", kMetadata, ": expected an object of strings", remedy);
}

absl::StatusOr<SafeTensor> ReadTensor(const std::string& path, const std::string& name,
                                      const Json& json, std::uint64_t data, std::uint64_t size,
                                      const std::string& remedy) {
  SafeTensor tensor;
  tensor.name = name;
  const bool good = json.is_object() && json.contains("dtype") && json["dtype"].is_string() &&
                    json.contains("shape") && AreSizes(json["shape"]) &&
                    json.contains("data_offsets") && AreSizes(json["data_offsets"]) &&
                    json["data_offsets"].size() == 2;
  if (!good) {
    return UsageError(path, ": tensor '", name,
                      "': expected an object with a \"dtype\", a \"shape\" of sizes and two "
                      "\"data_offsets\"",
                      remedy);
  }
  tensor.dtype = json["dtype"].get<std::string>();
  tensor.shape = json["shape"].get<std::vector<std::int64_t>>();
  const auto begin = json["data_offsets"][0].get<std::uint64_t>();
  const auto end = json["data_offsets"][1].get<std::uint64_t>();
  if (begin > end || end > size) {
    return UsageError(path, ": tensor '", name, "' has the bytes ", begin, " to ", end,
                      " of the data, which has ", size,
                      ": the file is damaged, or was cut short; write it again");
  }
  tensor.begin = data + begin;
  tensor.end = data + end;
  return tensor;
}

absl::Status CheckOrder(const std::string& path, absl::Span<const SafeTensor> tensors,
                        std::uint64_t data, std::uint64_t size) {
  std::uint64_t at = data;
  for (const SafeTensor& tensor : tensors) {
    if (tensor.begin != at) {
      return UsageError(path, ": the data of tensor '", tensor.name, "' begins at byte ",
                        tensor.begin - data, tensor.begin < at ? ", within" : ", with a gap behind",
                        " that of another, which ends at ", at - data,
                        "; expected one behind the other: the file is damaged; write it again");
    }
    at = tensor.end;
  }
  if (at == size) return absl::OkStatus();
  return UsageError(path, ": has ", size - at, " bytes behind its last tensor; expected none: the ",
                    "file is damaged; write it again");
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const std::string& path,
                                                        absl::Span<const std::byte> file,
                                                        const std::string& remedy) {
  std::uint64_t length = 0;
  if (file.size() < sizeof(length)) {
    return UsageError(path, ": has ", file.size(), " bytes, too few for its header's length",
                      remedy);
  }
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > static_cast<std::uint64_t>(limits::kCalibrationHeader)) {
    return UsageError(path, ": says that its header has ", length, " bytes; at most ",
                      limits::kCalibrationHeader, " are read", remedy);
  }
  const std::uint64_t data = sizeof(length) + length;
  if (data > file.size()) {
    return UsageError(path, ": says that its header has ", length, " bytes, but has ",
                      file.size() - sizeof(length), " in all: it is cut short; write it again");
  }
  const absl::string_view text(reinterpret_cast<const char*>(file.data()) + sizeof(length), length);
  ONNXQUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(text, absl::StrCat(path, " (header)"), {}));
  if (!json.is_object()) return UsageError(path, ": its header is no JSON object", remedy);
  SafetensorsHeader header;
  for (const auto& [name, value] : json.items()) {
    if (name == kMetadata) {
      ONNXQUANT_ASSIGN_OR_RETURN(header.metadata, ReadMetadata(path, value, remedy));
      continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(SafeTensor tensor,
                               ReadTensor(path, name, value, data, file.size() - data, remedy));
    header.tensors.push_back(std::move(tensor));
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const SafeTensor& a, const SafeTensor& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  ONNXQUANT_RETURN_IF_ERROR(CheckOrder(path, header.tensors, data, file.size()));
  return header;
}

}  // namespace onnxquant
