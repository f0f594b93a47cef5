// A constant of the input, cut into tiles and read.
#ifndef ONNXQUANT_LIB_REWRITE_TILE_READER_H_
#define ONNXQUANT_LIB_REWRITE_TILE_READER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/formats/codec.h"
#include "lib/model/model.h"

namespace onnxquant {

class TileReader {
 public:
  TileReader(const Model& model, const onnx::TensorProto& tensor)
      : model_(model), tensor_(tensor) {}

  // Cuts into tiles of about `tile_bytes` as `cuts` ask, whose rows and columns agree where they
  // have any: of whole rows, or where so many rows belong together that they are more than that,
  // of parts of rows.
  absl::Status CutInto(std::uint64_t tile_bytes, absl::Span<const Cut> cuts);

  const Tiling& tiling() const { return tiling_; }
  std::size_t tiles() const { return tiles_; }
  std::uint64_t bytes() const { return bytes_; }  // of the constant

  // One tile read; what its bytes and floats look into, besides the model.
  struct Held {
    Tile tile;
    std::vector<std::byte> packed;
    std::vector<float> floats;
    std::uint64_t length = 0;
  };
  // Its floats are left out of float64, whose rounding depends on what it becomes.
  absl::Status Read(std::size_t index, Held& held) const;
  // The pages of a tile that is done with need not stay in memory.
  void Release(const Tile& tile) const;

 private:
  void CutColumns(std::uint64_t row_multiple, std::uint64_t column_multiple);
  absl::StatusOr<absl::Span<const std::byte>> Gather(const Tile& tile,
                                                     std::vector<std::byte>& packed) const;

  const Model& model_;
  const onnx::TensorProto& tensor_;
  std::uint64_t bytes_ = 0;
  std::uint64_t row_bytes_ = 0;
  std::uint64_t column_tiles_ = 1;
  std::size_t tiles_ = 0;
  Tiling tiling_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_TILE_READER_H_
