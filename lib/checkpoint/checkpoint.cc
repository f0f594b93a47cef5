#include "lib/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"
#include "lib/checkpoint/gguf_header.h"
#include "lib/statistics/safetensors_header.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kRemedy[] =
    "; a checkpoint is a .safetensors or .gguf file, or a folder that holds them";

// The shards that an index names, each once.
absl::StatusOr<std::vector<std::string>> ShardsOf(const fs::path& folder) {
  const std::string path = (folder / kIndex).string();
  const TextRule rule = {.kind = ErrorKind::kUsage,
                         .what = "the index of a checkpoint",
                         .largest = limits::kCalibrationHeader};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadText(path, rule));
  ONNXQUANT_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(text, path, {}));
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    return UsageError(path, ": has no object 'weight_map'", kRemedy);
  }
  std::set<std::string> shards;
  for (const auto& [name, shard] : map->items()) {
    const std::string file = shard.is_string() ? shard.get<std::string>() : "";
    // A name in this folder, and nothing else.
    if (file.empty() || file != fs::path(file).filename().string() || file == "..") {
      return UsageError(path, ": tensor '", VisibleStart(name), "' has the file '",
                        VisibleStart(file), "'; expected the name of one beside the index");
    }
    shards.insert((folder / file).string());
  }
  return std::vector<std::string>(shards.begin(), shards.end());
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  if (fs::exists(fs::path(path) / kIndex, error)) return ShardsOf(path);
  std::vector<std::string> safetensors;
  std::vector<std::string> gguf;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().string();
    if (absl::EndsWith(name, ".safetensors")) safetensors.push_back(name);
    if (absl::EndsWith(name, ".gguf")) gguf.push_back(name);
  }
  if (error) return UsageError(path, ": cannot be read: ", error.message());
  std::sort(safetensors.begin(), safetensors.end());
  if (!safetensors.empty()) return safetensors;
  if (gguf.size() == 1) return gguf;
  if (gguf.empty()) return UsageError(path, ": holds no .safetensors and no .gguf file", kRemedy);
  return UsageError(path, ": holds ", gguf.size(), " .gguf files; name the one that is meant");
}

absl::StatusOr<std::vector<CheckpointTensor>> TensorsOfGguf(const std::string& path,
                                                            absl::Span<const std::byte> file) {
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<GgufTensor> headers, ReadGgufHeader(path, file));
  std::vector<CheckpointTensor> tensors;
  for (GgufTensor& header : headers) {
    CheckpointTensor tensor;
    tensor.name = std::move(header.name);
    tensor.type = NameOfGguf(header.type);
    tensor.shape = std::move(header.shape);
    tensor.payload = file.data() + header.begin;
    if (const StoredType* type = TypeOfGguf(header.type)) {
      const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
      const auto bytes = static_cast<std::uint64_t>(tensor.elements() / type->block * type->bytes);
      if (row % type->block != 0 || bytes > file.size() - header.begin) {
        return UsageError(path, ": tensor '", VisibleStart(tensor.name), "' of type ", tensor.type,
                          " has rows of ", row, " elements and ", bytes, " bytes, of which ",
                          file.size() - header.begin,
                          " are left; the file is damaged, or was cut short: fetch it again");
      }
      tensor.stored = type;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

absl::StatusOr<std::vector<CheckpointTensor>> TensorsOfSafetensors(
    const std::string& path, absl::Span<const std::byte> file) {
  ONNXQUANT_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeader(path, file, kRemedy));
  std::vector<CheckpointTensor> tensors;
  for (SafeTensor& own : header.tensors) {
    CheckpointTensor tensor;
    tensor.name = std::move(own.name);
    tensor.type = own.dtype;
    tensor.shape = std::move(own.shape);
    tensor.payload = file.data() + own.begin;
    if (const StoredType* type = TypeOfSafetensors(tensor.type)) {
      // Whatever the product of the sizes comes to, it is never beyond the bytes.
      std::uint64_t left = (own.end - own.begin) / static_cast<std::uint64_t>(type->bytes);
      std::uint64_t elements = 1;
      bool fits = true;
      for (const std::int64_t size : tensor.shape) {
        const auto factor = static_cast<std::uint64_t>(size);
        fits = fits && (factor == 0 || elements <= left / factor);
        if (fits) elements *= factor;
      }
      if (!fits || elements != left) {
        return UsageError(path, ": tensor '", VisibleStart(tensor.name), "' of type ", tensor.type,
                          " has ", own.end - own.begin,
                          " bytes, and its shape asks for another number; fetch the file again");
      }
      tensor.stored = type;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

std::int64_t CheckpointTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

absl::Status Checkpoint::Add(const std::string& path) {
  absl::StatusOr<MappedFile> opened = MappedFile::Open(path);
  // Whatever is wrong with it, the model is not.
  if (!opened.ok()) return UsageError(opened.status().message());
  MappedFile file = *std::move(opened);
  const bool gguf = IsGguf(file.bytes());
  ONNXQUANT_ASSIGN_OR_RETURN(
      std::vector<CheckpointTensor> tensors,
      gguf ? TensorsOfGguf(path, file.bytes()) : TensorsOfSafetensors(path, file.bytes()));
  names_.push_back(path);
  files_.push_back(std::move(file));
  std::move(tensors.begin(), tensors.end(), std::back_inserter(tensors_));
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
  for (const std::string& file : files) ONNXQUANT_RETURN_IF_ERROR(checkpoint.Add(file));
  std::vector<CheckpointTensor>& tensors = checkpoint.tensors_;
  const auto by_name = [](const CheckpointTensor& a, const CheckpointTensor& b) {
    return a.name < b.name;
  };
  std::stable_sort(tensors.begin(), tensors.end(), by_name);
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].name == tensors[i - 1].name) {
      return UsageError(path, ": two of its files hold a tensor '", VisibleStart(tensors[i].name),
                        "'; name one file");
    }
  }
  if (tensors.empty()) return UsageError(path, ": holds no tensors", kRemedy);
  return checkpoint;
}

absl::Status Checkpoint::CheckUnchanged() const {
  for (const MappedFile& file : files_) {
    const absl::Status status = file.CheckUnchanged();
    if (!status.ok()) return UsageError(status.message());
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
