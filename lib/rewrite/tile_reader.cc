#include "lib/rewrite/tile_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/error.h"
#include "lib/model/float_payload.h"

namespace onnxquant {
namespace {

// Shorter runs of a row are not worth a read or a write of their own.
constexpr std::uint64_t kShortestRun = 4096;

std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

absl::Status TileReader::CutInto(std::uint64_t tile_bytes, absl::Span<const Cut> cuts) {
  const auto type = static_cast<ElementType>(tensor_.data_type());
  ONNXQUANT_ASSIGN_OR_RETURN(
      bytes_,
      PackedBytes(type, {tensor_.dims().data(), static_cast<std::size_t>(tensor_.dims_size())}));
  tiling_ = Tiling{};
  tiling_.tile_bytes = tile_bytes;
  // Whole elements, of types of a byte or more; packed ones are copied byte by byte.
  tiling_.element_bytes = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(BitsOf(type)) / 8);
  tiling_.rows = bytes_ / tiling_.element_bytes;
  std::uint64_t row_multiple = 1;
  std::uint64_t column_multiple = 1;
  for (const Cut& cut : cuts) {
    if (cut.rows == 0) continue;
    tiling_.rows = cut.rows;
    tiling_.columns = cut.columns;
    row_multiple = std::max(row_multiple, cut.row_multiple);
    column_multiple = std::max(column_multiple, cut.column_multiple);
  }
  row_bytes_ = tiling_.columns * tiling_.element_bytes;
  const std::uint64_t wanted = tile_bytes / std::max<std::uint64_t>(1, row_bytes_);
  tiling_.tile_rows = std::max(row_multiple, wanted / row_multiple * row_multiple);
  tiling_.tile_columns = tiling_.columns;
  if (std::min(tiling_.tile_rows, tiling_.rows) * row_bytes_ > tile_bytes) {
    CutColumns(row_multiple, column_multiple);
  }
  column_tiles_ = CeilDiv(tiling_.columns, std::max<std::uint64_t>(1, tiling_.tile_columns));
  tiles_ = static_cast<std::size_t>(CeilDiv(tiling_.rows, tiling_.tile_rows) * column_tiles_);
  return absl::OkStatus();
}

// Where the rows that must stay together are too many for a tile: all rows, if runs of them remain
// that are worth a read, since what lies along K lies together in the output; else as few rows as
// may be.
void TileReader::CutColumns(std::uint64_t row_multiple, std::uint64_t column_multiple) {
  Tiling& to = tiling_;
  const std::uint64_t columns_of_all_rows = to.tile_bytes / (to.rows * to.element_bytes);
  const bool all_rows = row_multiple > 1 && columns_of_all_rows * to.element_bytes >= kShortestRun;
  to.tile_rows = all_rows ? to.rows : std::min(row_multiple, to.rows);
  const std::uint64_t wanted = to.tile_bytes / (to.tile_rows * to.element_bytes);
  to.tile_columns =
      std::min(to.columns, std::max(column_multiple, wanted / column_multiple * column_multiple));
}

// The tile's bytes: as they stand in the file, or, of parts of rows, row after row in `packed`.
absl::StatusOr<absl::Span<const std::byte>> TileReader::Gather(
    const Tile& tile, std::vector<std::byte>& packed) const {
  if (tile.columns == tiling_.columns) {
    return model_.Read(tensor_, tile.first_row * row_bytes_, tile.rows * row_bytes_);
  }
  const std::uint64_t run = tile.columns * tiling_.element_bytes;
  packed.resize(tile.rows * run);
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    const std::uint64_t offset =
        (tile.first_row + row) * row_bytes_ + tile.first_column * tiling_.element_bytes;
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                               model_.Read(tensor_, offset, run));
    std::memcpy(packed.data() + row * run, bytes.data(), run);
  }
  return absl::Span<const std::byte>(packed);
}

void TileReader::Release(const Tile& tile) const {
  if (tile.columns == tiling_.columns) {
    model_.Release(tensor_, tile.first_row * row_bytes_, tile.rows * row_bytes_);
    return;
  }
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    model_.Release(tensor_,
                   (tile.first_row + row) * row_bytes_ + tile.first_column * tiling_.element_bytes,
                   tile.columns * tiling_.element_bytes);
  }
}

absl::Status TileReader::Read(std::size_t index, Held& held) const {
  Tile& tile = held.tile;
  tile.first_row = index / column_tiles_ * tiling_.tile_rows;
  tile.rows = std::min(tiling_.tile_rows, tiling_.rows - tile.first_row);
  tile.first_column = index % column_tiles_ * tiling_.tile_columns;
  tile.columns = std::min(tiling_.tile_columns, tiling_.columns - tile.first_column);
  held.length = tile.rows * tile.columns * tiling_.element_bytes;
  ONNXQUANT_ASSIGN_OR_RETURN(tile.bytes, Gather(tile, held.packed));
  const auto type = static_cast<ElementType>(tensor_.data_type());
  const bool in_place = type == ElementType::kFloat &&
                        reinterpret_cast<std::uintptr_t>(tile.bytes.data()) % alignof(float) == 0;
  if (in_place) {
    tile.floats = {reinterpret_cast<const float*>(tile.bytes.data()),
                   tile.bytes.size() / sizeof(float)};
  } else if (type != ElementType::kDouble) {
    held.floats = FloatsOfPayload(tile.bytes, type);
    tile.floats = held.floats;
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
