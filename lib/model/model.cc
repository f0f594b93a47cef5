#include "lib/model/model.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/error.h"
#include "lib/files/mapped_file.h"
#include "lib/files/pending.h"
#include "lib/model/external_data.h"
#include "lib/model/function_calls.h"
#include "lib/model/opset_check.h"
#include "lib/model/other_formats.h"
#include "lib/model/payload_ranges.h"
#include "lib/model/prepare.h"
#include "lib/model/strip_payloads.h"
#include "lib/model/tensor_check.h"

namespace onnxquant {

struct Model::State {
  // Where a payload lies: in a mapped file, or (null) in the caller's memory.
  struct Piece {
    absl::Span<const std::byte> bytes;
    const MappedFile* file = nullptr;
    std::uint64_t offset = 0;
  };

  std::string path;
  onnx::ModelProto proto;
  std::optional<MappedFile> file;                    // the .onnx file; none for a model from memory
  absl::Span<const std::byte> content;               // what is in it; nothing for a parsed model
  std::vector<absl::Span<const std::byte>> tensors;  // of ModelInMemory
  std::uint64_t file_bytes = 0;
  std::vector<ExternalFile> external_files;
  std::vector<std::string> notes;
  std::vector<Damage> damages;
  std::map<std::string, MappedFile> mapped;  // by normalized location
  absl::flat_hash_map<const onnx::TensorProto*, Piece> pieces;
  std::mutex mutex;
  std::map<const onnx::TensorProto*, std::vector<std::byte>> converted;  // from typed fields
  std::atomic<std::uint64_t> bytes_read{0};
};

class ModelLoader {
 public:
  explicit ModelLoader(const std::string& path) : state_(std::make_unique<Model::State>()) {
    state_->path = path;
  }

  absl::Status ReadFile() {
    ONNXQUANT_RETURN_IF_ERROR(CheckNotPending(state_->path));
    ONNXQUANT_ASSIGN_OR_RETURN(state_->file, MappedFile::Open(state_->path));
    absl::Status parsed = Parse(state_->file->bytes());
    // A file that was changed meanwhile is not to be called damaged for it.
    ONNXQUANT_RETURN_IF_ERROR(state_->file->CheckUnchanged());
    return parsed;
  }

  absl::Status ReadMemory(const ModelInMemory& memory) {
    state_->tensors = memory.tensors;
    return Parse(memory.model);
  }

  absl::Status Parse(absl::Span<const std::byte> bytes) {
    state_->content = bytes;
    state_->file_bytes = bytes.size();
    for (const absl::Span<const std::byte> tensor : state_->tensors) {
      state_->file_bytes += tensor.size();
    }
    ONNXQUANT_RETURN_IF_ERROR(RefuseOtherFormats(bytes, state_->path));
    absl::StatusOr<std::string> slim = StripPayloads(bytes);
    if (!slim.ok()) return InPath(slim.status());
    google::protobuf::io::ArrayInputStream stream(slim->data(), static_cast<int>(slim->size()));
    google::protobuf::io::CodedInputStream coded(&stream);
    if (slim->size() > 2'147'483'647 || !state_->proto.ParseFromCodedStream(&coded) ||
        !coded.ConsumedEntireMessage()) {
      return ModelError(state_->path,
                        ": is not a valid ONNX file, or a damaged one; protobuf cannot "
                        "read it: download or export it again");
    }
    return absl::OkStatus();
  }

  void Take(onnx::ModelProto proto) {
    state_->file_bytes = proto.ByteSizeLong();
    state_->proto = std::move(proto);
  }

  absl::StatusOr<Model> Examine() {
    examines_ = true;
    return Check();
  }

  absl::StatusOr<Model> CheckToConvert(int least_opset) {
    ONNXQUANT_RETURN_IF_ERROR(CheckIsModel());
    ONNXQUANT_ASSIGN_OR_RETURN(state_->notes, Prepare(state_->proto, state_->path, least_opset));
    return Check();
  }

  absl::Status CheckIsModel() const {
    if (!state_->proto.has_graph() || state_->proto.opset_import_size() == 0) {
      return ModelError(state_->path, ": holds no ONNX graph",
                        state_->proto.has_graph() ? " with an opset import" : "",
                        "; is it an ONNX model at all?");
    }
    const absl::Status opsets = CheckOpsets(state_->proto);
    return opsets.ok() ? opsets : InPath(opsets);
  }

  absl::StatusOr<Model> Check() {
    ONNXQUANT_RETURN_IF_ERROR(CheckIsModel());
    ONNXQUANT_RETURN_IF_ERROR(CheckCalls(state_->proto, state_->path));
    ONNXQUANT_RETURN_IF_ERROR(VisitTensors(
        state_->proto, [this](const onnx::TensorProto& tensor, const std::string& place) {
          absl::Status status = CheckOne(tensor, place);
          if (status.ok()) return status;
          if (examines_) return Note(tensor, place, status);
          return MakeError(KindOf(status), absl::StrCat(state_->path, ": ", place, ": ",
                                                        std::string(status.message())));
        }));
    if (const absl::Status status = CheckOverlaps(ranges_); !status.ok()) {
      if (!examines_) return InPath(status);
      state_->damages.push_back({"", "", std::string(status.message())});
    }
    for (const ExternalFile& file : files_) state_->external_files.push_back(file);
    return Model(std::move(state_));
  }

 private:
  // One key for all spellings of a location: "./a" and "a" are one file.
  static std::string Normal(const std::string& location) {
    return std::filesystem::path(location).lexically_normal().string();
  }

  absl::Status Note(const onnx::TensorProto& tensor, const std::string& place,
                    const absl::Status& status) {
    std::string file;
    for (const auto& entry : tensor.external_data()) {
      if (entry.key() == "location") file = entry.value();
    }
    state_->damages.push_back({place, file, std::string(status.message())});
    return absl::OkStatus();
  }

  absl::Status InPath(const absl::Status& status) const {
    return MakeError(KindOf(status),
                     absl::StrCat(state_->path, ": ", std::string(status.message())));
  }

  absl::Status CheckOne(const onnx::TensorProto& tensor, const std::string& place) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t expected, CheckTensor(tensor));
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return absl::OkStatus();
    if (tensor.data_type() == onnx::TensorProto::STRING) {
      return ModelError("strings cannot be external data");
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const ExternalReference reference, ParseExternalReference(tensor));
    ONNXQUANT_ASSIGN_OR_RETURN(const Source source, SourceAt(reference));
    const std::uint64_t size = source.bytes.size();
    if (reference.length.has_value() && *reference.length != expected) {
      return ModelError("its shape and type ask for ", expected,
                        " bytes, but its external data has ", *reference.length);
    }
    if (source.in_memory) {
      if (size == expected) {
        state_->pieces[&tensor] = {source.bytes, nullptr, 0};
        return absl::OkStatus();
      }
      return ModelError("its shape and type ask for ", expected, " bytes; the payload in memory (",
                        reference.offset, ") has ", size);
    }
    if (reference.offset > size || expected > size - reference.offset) {
      return ModelError("external data of ", expected, " bytes at offset ", reference.offset,
                        " ends beyond '", reference.location, "' (", size,
                        " bytes); the file is probably truncated: download it again");
    }
    state_->pieces[&tensor] = {source.bytes.subspan(reference.offset, expected), source.file,
                               reference.offset};
    ranges_[Normal(reference.location)].push_back({reference.offset, expected, place});
    return absl::OkStatus();
  }

  // What an offset counts in; of a payload in memory, the payload itself.
  struct Source {
    absl::Span<const std::byte> bytes;
    const MappedFile* file = nullptr;
    bool in_memory = false;
  };

  absl::StatusOr<Source> SourceAt(const ExternalReference& reference) {
    if (reference.location == kInlineLocation && !state_->content.empty()) {
      return Source{state_->content, state_->file.has_value() ? &*state_->file : nullptr};
    }
    if (reference.location == kInMemory && !state_->tensors.empty()) {
      if (reference.offset < state_->tensors.size()) {
        return Source{state_->tensors[reference.offset], nullptr, true};
      }
      return ModelError("is said to be payload ", reference.offset, " in memory; there are ",
                        state_->tensors.size());
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const MappedFile* file, FileAt(reference.location));
    return Source{file->bytes(), file};
  }

  absl::StatusOr<const MappedFile*> FileAt(const std::string& location) {
    const std::string key = Normal(location);
    if (const auto it = state_->mapped.find(key); it != state_->mapped.end()) {
      for (ExternalFile& file : files_) file.tensors += Normal(file.location) == key ? 1 : 0;
      return &it->second;
    }
    const ModelPlace place = {state_->path,
                              state_->file.has_value() ? state_->file->real_path() : ""};
    ONNXQUANT_ASSIGN_OR_RETURN(InputFile opened, OpenExternalFile(place, location));
    ONNXQUANT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Map(std::move(opened)));
    files_.push_back({location, file.path(), file.bytes().size(), 1});
    return &state_->mapped.emplace(key, std::move(file)).first->second;
  }

  std::unique_ptr<Model::State> state_;
  bool examines_ = false;  // lists damaged tensors instead of refusing them
  std::vector<ExternalFile> files_;
  PayloadRanges ranges_;
};

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

absl::StatusOr<Model> Model::Load(const std::string& path) {
  ModelLoader loader(path);
  ONNXQUANT_RETURN_IF_ERROR(loader.ReadFile());
  return loader.Check();
}

absl::StatusOr<Model> Model::LoadToExamine(const std::string& path) {
  ModelLoader loader(path);
  ONNXQUANT_RETURN_IF_ERROR(loader.ReadFile());
  return loader.Examine();
}

absl::StatusOr<Model> Model::LoadToConvert(const std::string& path, int least_opset) {
  ModelLoader loader(path);
  ONNXQUANT_RETURN_IF_ERROR(loader.ReadFile());
  return loader.CheckToConvert(least_opset);
}

absl::StatusOr<Model> Model::FromMemory(const ModelInMemory& memory) {
  ModelLoader loader(memory.path);
  ONNXQUANT_RETURN_IF_ERROR(loader.ReadMemory(memory));
  return loader.Check();
}

absl::StatusOr<Model> Model::FromMemoryToConvert(const ModelInMemory& memory, int least_opset) {
  ModelLoader loader(memory.path);
  ONNXQUANT_RETURN_IF_ERROR(loader.ReadMemory(memory));
  return loader.CheckToConvert(least_opset);
}

absl::StatusOr<Model> Model::FromProto(onnx::ModelProto proto, const std::string& origin) {
  ModelLoader loader(origin);
  loader.Take(std::move(proto));
  return loader.Check();
}

const onnx::ModelProto& Model::proto() const {
  return state_->proto;
}
const std::string& Model::path() const {
  return state_->path;
}
bool Model::from_file() const {
  return state_->file.has_value();
}
std::uint64_t Model::file_bytes() const {
  return state_->file_bytes;
}
absl::Span<const std::byte> Model::content() const {
  return state_->content;
}
const std::vector<ExternalFile>& Model::external_files() const {
  return state_->external_files;
}
const std::vector<std::string>& Model::notes() const {
  return state_->notes;
}
const std::vector<Damage>& Model::damages() const {
  return state_->damages;
}
std::uint64_t Model::bytes_read() const {
  return state_->bytes_read;
}

absl::StatusOr<absl::Span<const std::byte>> Model::Bytes(const onnx::TensorProto& tensor) const {
  if (const auto it = state_->pieces.find(&tensor); it != state_->pieces.end()) {
    return it->second.bytes;
  }
  if (tensor.data_type() == onnx::TensorProto::STRING) {
    return ModelError(state_->path, ": tensor '", tensor.name(),
                      "' holds strings, which have no raw "
                      "form");
  }
  if (tensor.has_raw_data()) {
    return absl::Span<const std::byte>(reinterpret_cast<const std::byte*>(tensor.raw_data().data()),
                                       tensor.raw_data().size());
  }
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const auto [it, added] = state_->converted.try_emplace(&tensor);
  if (added) it->second = RawFromTypedFields(tensor);
  return absl::Span<const std::byte>(it->second);
}

absl::StatusOr<absl::Span<const std::byte>> Model::Read(const onnx::TensorProto& tensor,
                                                        std::uint64_t offset,
                                                        std::uint64_t length) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, Bytes(tensor));
  if (offset > bytes.size() || length > bytes.size() - offset) {
    return InternalError(state_->path, ": tensor '", tensor.name(), "' has ", bytes.size(),
                         " bytes, asked for ", length, " at ", offset);
  }
  state_->bytes_read.fetch_add(length, std::memory_order_relaxed);
  return bytes.subspan(offset, length);
}

absl::Status Model::CheckUnchanged() const {
  if (state_->file.has_value()) ONNXQUANT_RETURN_IF_ERROR(state_->file->CheckUnchanged());
  for (const auto& [location, file] : state_->mapped) {
    ONNXQUANT_RETURN_IF_ERROR(file.CheckUnchanged());
  }
  return absl::OkStatus();
}

void Model::Release(const onnx::TensorProto& tensor, std::uint64_t offset,
                    std::uint64_t length) const {
  const auto it = state_->pieces.find(&tensor);
  if (it != state_->pieces.end() && it->second.file != nullptr) {
    it->second.file->Release(it->second.offset + offset, length);
  }
}

}  // namespace onnxquant
