// A model as read: its structure in memory, its weights mapped. Never written to.
#ifndef ONNXQUANT_LIB_MODEL_MODEL_H_
#define ONNXQUANT_LIB_MODEL_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/model/element_type.h"
#include "onnx/onnx_pb.h"
#include "onnxquant/model_in_memory.h"

namespace onnxquant {

struct ExternalFile {
  std::string location;  // as the model names it
  std::string path;
  std::uint64_t size = 0;
  int tensors = 0;
};

// A tensor that Load() refuses.
struct Damage {
  std::string place;  // "initializer 'w'"; "" where `what` names two
  std::string file;   // of its data, as the model names it; "" for the .onnx file itself
  std::string what;
};

class Model {
 public:
  // Reads the file's structure and checks every tensor: element type, shape, payload size, external
  // references (see external_data.h), and that no two tensors overlap in part in one data file.
  // Errors are kModel and begin with the path.
  static absl::StatusOr<Model> Load(const std::string& path);

  // The same, but damaged tensors are not refused: damages() lists them all. Where there are any,
  // no payload may be asked for.
  static absl::StatusOr<Model> LoadToExamine(const std::string& path);

  // Load(), prepared for conversion (see prepare.h).
  static absl::StatusOr<Model> LoadToConvert(const std::string& path, int least_opset);

  // Load() and LoadToConvert() for a model that the caller holds; all of it must outlive the
  // result.
  static absl::StatusOr<Model> FromMemory(const ModelInMemory& memory);
  static absl::StatusOr<Model> FromMemoryToConvert(const ModelInMemory& memory, int least_opset);

  // A model that is already parsed; external data is looked for beside `origin`.
  static absl::StatusOr<Model> FromProto(onnx::ModelProto proto, const std::string& origin);

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  // Large inline payloads of the main graph's initializers have been taken out: use Bytes().
  const onnx::ModelProto& proto() const;
  const std::string& path() const;
  bool from_file() const;
  std::uint64_t file_bytes() const;  // of the .onnx file
  // The serialized model as it was read; nothing for one that was parsed elsewhere.
  absl::Span<const std::byte> content() const;
  const std::vector<ExternalFile>& external_files() const;
  const std::vector<std::string>& notes() const;  // what preparing it changed
  const std::vector<Damage>& damages() const;

  // The payload of one of proto()'s tensors in ONNX's raw little-endian form; valid as long as the
  // model. It may lie at any address: unaligned offsets are legal. Error: a tensor of strings.
  absl::StatusOr<absl::Span<const std::byte>> Bytes(const onnx::TensorProto& tensor) const;

  // The same for [offset, offset + length); adds `length` to bytes_read(). Thread-safe.
  absl::StatusOr<absl::Span<const std::byte>> Read(const onnx::TensorProto& tensor,
                                                   std::uint64_t offset,
                                                   std::uint64_t length) const;

  // Error (kModel): a file was written to since the model was loaded, or cannot be read. Whoever
  // gives out what was made of the model's bytes asks this first (IfUnchanged).
  absl::Status CheckUnchanged() const;

  // Tells the system that this part will not be needed again soon.
  void Release(const onnx::TensorProto& tensor, std::uint64_t offset, std::uint64_t length) const;

  // Bytes that Read() has handed out.
  std::uint64_t bytes_read() const;

 private:
  friend class ModelLoader;
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// `result`, which was made of the model's bytes; or the error that they may have been others.
template <typename Result>
Result IfUnchanged(const Model& model, Result result) {
  if (absl::Status status = model.CheckUnchanged(); !status.ok()) return status;
  return result;
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_MODEL_H_
