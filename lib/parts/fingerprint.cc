#include "lib/parts/fingerprint.h"

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/files/mapped_file.h"
#include "lib/model/tensor_check.h"

namespace onnxquant {
namespace {

using Bytes = absl::Span<const std::byte>;

// How much of something long is looked at.
struct Samples {
  std::uint64_t whole = 0;  // up to so many bytes, all
  std::uint64_t count = 0;
  std::uint64_t length = 0;
};
constexpr Samples kOfTensors{4 << 10, 3, 1 << 10};
constexpr Samples kOfFiles{16 << 20, 16, 64 << 10};

void AddSamples(Bytes bytes, const Samples& samples, Sha256& hash) {
  hash.Add(std::uint64_t{bytes.size()});
  if (bytes.size() <= samples.whole) {
    hash.Add(bytes);
    return;
  }
  const std::uint64_t step = (bytes.size() - samples.length) / (samples.count - 1);
  for (std::uint64_t i = 0; i < samples.count; ++i) {
    hash.Add(bytes.subspan(i * step, samples.length));
  }
}

}  // namespace

absl::StatusOr<std::string> WeightsFingerprint(const Model& model) {
  Sha256 hash;
  ONNXQUANT_RETURN_IF_ERROR(
      VisitTensors(model.proto(), [&](const onnx::TensorProto& tensor, const std::string& place) {
        hash.Add(place);
        hash.Add(static_cast<std::uint64_t>(tensor.data_type()));
        hash.Add(static_cast<std::uint64_t>(tensor.dims_size()));
        for (const std::int64_t dim : tensor.dims()) hash.Add(static_cast<std::uint64_t>(dim));
        if (tensor.data_type() == onnx::TensorProto::STRING) {
          for (const std::string& text : tensor.string_data()) hash.Add(text);
          return absl::OkStatus();
        }
        ONNXQUANT_ASSIGN_OR_RETURN(const Bytes bytes, model.Bytes(tensor));
        AddSamples(bytes, kOfTensors, hash);
        return absl::OkStatus();
      }));
  return IfUnchanged(model, absl::StatusOr<std::string>(hash.Hex()));
}

absl::StatusOr<std::string> FileFingerprint(const std::string& path) {
  if (path.empty()) return std::string();
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return UsageError(std::string(file.status().message()));
  Sha256 hash;
  AddSamples(file->bytes(), kOfFiles, hash);
  const absl::Status status = file->CheckUnchanged();
  if (!status.ok()) return UsageError(std::string(status.message()));
  return hash.Hex();
}

}  // namespace onnxquant
