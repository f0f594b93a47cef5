// One constant of the input on its way to all outputs that store it.
#ifndef ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_
#define ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/kernels/half.h"
#include "lib/rewrite/materialize.h"

namespace onnxquant {

// One job of one output, with what its tiles leave for the last of them.
struct FillTarget {
  const FillJob* job = nullptr;
  const OutputToFill* output = nullptr;
  kernels::NarrowStats stats;
  // kInt4, for the whole constant: scales [N, blocks] in the job's type, and zero points, one byte
  // each [N, blocks]; allocated by the first tile, released by the last.
  std::vector<std::byte> scales;
  std::vector<std::uint8_t> zero_points;
};

class FillSource {
 public:
  FillSource(const Model& model, const onnx::TensorProto& tensor);

  void AddTarget(const FillJob& job, const OutputToFill& output);

  // Cuts the constant into tiles of whole rows of about `tile_bytes`; rows that share a
  // quantization block stay together. Call after the last AddTarget.
  absl::Status Cut(std::uint64_t tile_bytes);
  std::size_t tiles() const { return tiles_; }
  std::uint64_t bytes() const { return bytes_; }

  // Converts one tile for every target; the last one to finish writes what spans tiles.
  // Thread-safe. Returns the number of input bytes done.
  absl::StatusOr<std::uint64_t> Fill(std::size_t tile);

  // After the last tile: tells each output which values did not fit its type.
  void AddWarnings() const;

 private:
  struct Tile {
    std::uint64_t first_row = 0;
    std::uint64_t rows = 0;
    absl::Span<const std::byte> bytes;
    // The same as float32, where it is a float type; float64 only once it is narrowed for a target.
    absl::Span<const float> floats;
  };

  absl::StatusOr<std::vector<float>> Narrowed(FillTarget& target, const Tile& tile);
  absl::Status FillTile(FillTarget& target, const Tile& tile);
  absl::Status Copy(FillTarget& target, const Tile& tile);
  absl::Status Convert(FillTarget& target, const Tile& tile);
  absl::Status Quantize(FillTarget& target, const Tile& tile);
  absl::Status WriteBlocks(FillTarget& target, const Tile& tile,
                           absl::Span<const std::uint8_t> data);
  absl::Status CheckScales(absl::Span<const std::uint16_t> scales) const;
  absl::Status FinishTargets();
  absl::Status Account(FillTarget& target, const kernels::NarrowStats& stats);
  std::uint64_t K(const FillTarget& target) const;
  std::uint64_t N(const FillTarget& target) const;
  std::uint64_t Blocks(const FillTarget& target) const;

  const Model& model_;
  const onnx::TensorProto& tensor_;
  std::vector<FillTarget> targets_;
  std::uint64_t bytes_ = 0;
  std::uint64_t rows_ = 1;
  std::uint64_t row_bytes_ = 0;
  std::uint64_t tile_rows_ = 1;
  std::size_t tiles_ = 0;
  std::mutex mutex_;
  std::size_t unfinished_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_
