// The tensors of a checkpoint: safetensors, in one file or in shards, or GGUF. Mapped, not loaded.
#ifndef ONNXQUANT_LIB_CHECKPOINT_CHECKPOINT_H_
#define ONNXQUANT_LIB_CHECKPOINT_CHECKPOINT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/checkpoint/stored_rows.h"
#include "lib/files/mapped_file.h"

namespace onnxquant {

struct CheckpointTensor {
  std::string name;
  std::string type;                    // "BF16", "Q4_K"
  std::vector<std::int64_t> shape;     // the outermost dimension first
  const StoredType* stored = nullptr;  // null: of a type that is not read
  const std::byte* payload = nullptr;

  std::int64_t elements() const;  // of a stored type
};

class Checkpoint {
 public:
  // `path`: a .safetensors or .gguf file, or a folder that has some of the former, or one of the
  // latter. Where a folder has model.safetensors.index.json, the shards that it names are read.
  // Errors (kUsage) begin with the file's path.
  static absl::StatusOr<Checkpoint> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<std::string>& files() const { return names_; }
  const std::vector<CheckpointTensor>& tensors() const { return tensors_; }  // by name

  // Error (kUsage): a file was written to since. What was read counts only after this.
  absl::Status CheckUnchanged() const;

 private:
  Checkpoint() = default;
  absl::Status Add(const std::string& path);

  std::string path_;
  std::vector<std::string> names_;
  std::vector<MappedFile> files_;
  std::vector<CheckpointTensor> tensors_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_CHECKPOINT_H_
