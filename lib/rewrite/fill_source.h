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
  // kInt4 whose tiles hold parts of K: scales [N, blocks] in the job's type, and zero points, one
  // byte each [N, blocks], allocated by the first tile and written and released by the last. Where
  // they are too many to be held, and where a tile holds all of K, they are written as they come.
  bool held = false;
  std::vector<std::byte> scales;
  std::vector<std::uint8_t> zero_points;
};

class FillSource {
 public:
  FillSource(const Model& model, const onnx::TensorProto& tensor);

  void AddTarget(const FillJob& job, const OutputToFill& output);

  // Cuts the constant into tiles of about `tile_bytes`: of whole rows, or where so many rows share
  // a quantization block that they are more than that, of parts of rows. Call after the last
  // AddTarget.
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
    std::uint64_t first_column = 0;
    std::uint64_t columns = 0;
    absl::Span<const std::byte> bytes;  // row after row
    // The same as float32, where it is a float type; float64 only once it is narrowed for a target.
    absl::Span<const float> floats;
  };

  // What a tile of an int4 job comes to, and where it belongs.
  struct Blocks4 {
    std::uint64_t first_n = 0;
    std::uint64_t n = 0;
    std::uint64_t first_block = 0;
    std::uint64_t blocks = 0;  // of each n
    absl::Span<const std::byte> data;
    absl::Span<const std::byte> scales;
    absl::Span<const std::uint8_t> zero_points;
  };

  void CutColumns(std::uint64_t tile_bytes, std::uint64_t align);
  bool HoldsAllOfK(const FillTarget& target) const;
  absl::StatusOr<absl::Span<const std::byte>> Gather(const Tile& tile,
                                                     std::vector<std::byte>& packed) const;
  void Release(const Tile& tile) const;
  absl::Status WriteRows(const FillTarget& target, const Tile& tile, std::uint64_t element_bytes,
                         absl::Span<const std::byte> bytes) const;
  absl::StatusOr<std::vector<float>> Narrowed(FillTarget& target, const Tile& tile);
  absl::Status FillTile(FillTarget& target, const Tile& tile);
  absl::Status Copy(FillTarget& target, const Tile& tile);
  absl::Status Convert(FillTarget& target, const Tile& tile);
  absl::Status Quantize(FillTarget& target, const Tile& tile);
  absl::Status WriteBlocks(FillTarget& target, const Blocks4& blocks);
  absl::Status WriteParts(const FillTarget& target, int part, const Blocks4& blocks,
                          std::uint64_t unit, std::uint64_t all, std::uint64_t first,
                          absl::Span<const std::byte> bytes) const;
  void Hold(FillTarget& target, const Blocks4& blocks);
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
  std::uint64_t columns_ = 1;
  std::uint64_t element_bytes_ = 1;
  std::uint64_t row_bytes_ = 0;
  std::uint64_t tile_rows_ = 1;
  std::uint64_t tile_columns_ = 1;
  std::uint64_t column_tiles_ = 1;
  std::size_t tiles_ = 0;
  std::mutex mutex_;
  std::size_t unfinished_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_FILL_SOURCE_H_
