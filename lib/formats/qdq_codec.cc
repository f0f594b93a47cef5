#include "lib/formats/qdq_codec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/kernels/qdq_quantize.h"

namespace onnxquant {
namespace {

kernels::QdqFormat KernelFormat(const Stored& stored) {
  kernels::QdqFormat format;
  format.bits = stored.format.bits;
  format.symmetric = stored.format.symmetric;
  format.scale = stored.scale == ElementType::kFloat ? kernels::ScaleType::kFloat32
                                                     : kernels::ScaleType::kFloat16;
  return format;
}

// A rectangle of a tensor that is seen as a matrix of so many columns.
struct Place {
  std::uint64_t columns;
  std::uint64_t first_row;
  std::uint64_t rows;
  std::uint64_t first_column;
  std::uint64_t width;
};

struct Scales {
  Scales(const kernels::QdqFormat& format, std::uint64_t count)
      : half(format.scale == kernels::ScaleType::kFloat16),
        f32(half ? 0 : count),
        f16(half ? count : 0),
        zero_points(format.symmetric ? 0 : count) {}

  kernels::QdqScales parts() {
    return {absl::MakeSpan(f32), absl::MakeSpan(f16), absl::MakeSpan(zero_points)};
  }
  absl::Span<const std::byte> bytes() const { return half ? AsBytes(f16) : AsBytes(f32); }

  bool half;
  std::vector<float> f32;
  std::vector<std::uint16_t> f16;
  std::vector<std::uint8_t> zero_points;  // a byte each
};

class QdqCodec : public Codec {
 public:
  QdqCodec(const Stored& stored, const CodecContext& context)
      : context_(context),
        format_(KernelFormat(stored)),
        rows_(static_cast<std::uint64_t>(stored.transposed ? stored.n : stored.k)),
        columns_(static_cast<std::uint64_t>(stored.transposed ? stored.k : stored.n)),
        bits_(static_cast<std::uint64_t>(stored.format.bits)) {
    const std::int64_t block = stored.format.block;
    if (block != 0) {
      grain_ = stored.transposed ? Grain::kOfRow : Grain::kOfColumn;
      block_ = static_cast<std::uint64_t>(block);
    } else if (stored.format.per_channel && stored.transposed) {
      grain_ = Grain::kOfRow;
      block_ = columns_;
    } else {
      grain_ = Grain::kOfColumns;
      const std::size_t channels =
          stored.format.per_channel
              ? static_cast<std::size_t>(stored.dims[static_cast<std::size_t>(stored.axis)])
              : 1;
      ranges_.resize(channels);
      shared_ = columns_ / channels;
    }
  }

  // Tiles begin, and parts of rows end, with a byte of codes and one of zero points.
  Cut Wanted() const override {
    const std::uint64_t packed = 8 / bits_;
    const std::uint64_t in_row = grain_ == Grain::kOfRow ? (columns_ + block_ - 1) / block_ : 0;
    const bool whole_bytes = columns_ % packed == 0 && (format_.symmetric || in_row % packed == 0);
    Cut cut;
    cut.rows = rows_;
    cut.columns = columns_;
    const std::uint64_t step = grain_ == Grain::kOfRow ? block_ * packed : packed;
    cut.column_multiple = whole_bytes ? std::min(step, columns_) : columns_;
    cut.row_multiple = whole_bytes ? 1 : packed;
    if (grain_ == Grain::kOfColumn) cut.row_multiple *= block_;
    return cut;
  }

  bool Observes() const override { return grain_ == Grain::kOfColumns; }

  absl::Status Observe(const Tile& tile) override {
    std::vector<kernels::QdqRange> own(tile.columns);
    kernels::ExtendQdqRanges(tile.floats, absl::MakeSpan(own));
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::uint64_t i = 0; i < tile.columns; ++i) {
      kernels::QdqRange& range = ranges_[(tile.first_column + i) / shared_];
      range.lo = std::min(range.lo, own[i].lo);
      range.hi = std::max(range.hi, own[i].hi);
    }
    return absl::OkStatus();
  }

  absl::Status Write(const Tile& tile) override {
    const Place place = {columns_, tile.first_row, tile.rows, tile.first_column, tile.columns};
    std::vector<std::uint8_t> codes(
        kernels::PackedBytes(format_.bits, static_cast<std::size_t>(tile.rows * tile.columns)));
    if (grain_ == Grain::kOfColumns) {
      ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
      Scales scales = ScalesOfColumns(tile);
      kernels::QuantizeQdqWithScales(format_, scales.parts(), tile.floats, tile.rows, tile.columns,
                                     absl::MakeSpan(codes));
      return WritePlace(0, place, bits_, AsBytes(codes));
    }
    const Place blocks = BlocksOf(tile);
    Scales scales(format_, blocks.rows * blocks.width);
    const auto quantize =
        grain_ == Grain::kOfColumn ? kernels::QuantizeQdqColumns : kernels::QuantizeQdqRows;
    quantize(format_, block_, tile.floats, tile.rows, tile.columns, absl::MakeSpan(codes),
             scales.parts());
    ONNXQUANT_RETURN_IF_ERROR(WriteScales(blocks, scales));
    return WritePlace(0, place, bits_, AsBytes(codes));
  }

  absl::Status Finish() override {
    if (grain_ != Grain::kOfColumns) return absl::OkStatus();
    ONNXQUANT_RETURN_IF_ERROR(DeriveScales());
    const std::uint64_t count = ranges_.size();
    return WriteScales({count, 0, 1, 0, count}, scales_[0]);
  }

 private:
  // What shares a scale: a block of a column, one of a row, or all of so many columns.
  enum class Grain { kOfColumn, kOfRow, kOfColumns };

  // The scales of a tile, as they lie in theirs.
  Place BlocksOf(const Tile& tile) const {
    if (grain_ == Grain::kOfColumn) {
      return {columns_, tile.first_row / block_, (tile.rows + block_ - 1) / block_,
              tile.first_column, tile.columns};
    }
    return {(columns_ + block_ - 1) / block_, tile.first_row, tile.rows, tile.first_column / block_,
            (tile.columns + block_ - 1) / block_};
  }

  // Once, when all tiles have been seen.
  absl::Status DeriveScales() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!scales_.empty()) return absl::OkStatus();
    // The sign of a zero would depend on the order of the tiles.
    for (kernels::QdqRange& range : ranges_) {
      if (range.lo == 0) range.lo = 0;
      if (range.hi == 0) range.hi = 0;
    }
    Scales scales(format_, ranges_.size());
    kernels::QdqScalesOf(format_, ranges_, scales.parts());
    scales_.push_back(std::move(scales));
    return absl::OkStatus();
  }

  Scales ScalesOfColumns(const Tile& tile) const {
    const Scales& all = scales_[0];
    Scales own(format_, tile.columns);
    for (std::uint64_t i = 0; i < tile.columns; ++i) {
      const std::uint64_t from = (tile.first_column + i) / shared_;
      if (all.half) {
        own.f16[i] = all.f16[from];
      } else {
        own.f32[i] = all.f32[from];
      }
      if (!format_.symmetric) own.zero_points[i] = all.zero_points[from];
    }
    return own;
  }

  absl::Status WriteScales(const Place& place, const Scales& scales) const {
    const int steps = format_.symmetric ? 1 << (format_.bits - 1) : (1 << format_.bits) - 1;
    ONNXQUANT_RETURN_IF_ERROR(CheckFloatScales(scales.f32, context_.account->what()));
    ONNXQUANT_RETURN_IF_ERROR(CheckHalfScales(scales.f16, steps, context_.account->what()));
    ONNXQUANT_RETURN_IF_ERROR(WritePlace(1, place, scales.half ? 16 : 32, scales.bytes()));
    if (format_.symmetric) return absl::OkStatus();
    std::vector<std::uint8_t> packed(kernels::PackedBytes(format_.bits, scales.zero_points.size()));
    kernels::PackFlat(format_.bits, scales.zero_points, absl::MakeSpan(packed));
    return WritePlace(2, place, bits_, AsBytes(packed));
  }

  // `bytes` holds the place's elements, of so many bits, row after row.
  absl::Status WritePlace(std::size_t part, const Place& place, std::uint64_t bits,
                          absl::Span<const std::byte> bytes) const {
    const std::uint64_t first = place.first_row * place.columns + place.first_column;
    if (place.width == place.columns) return context_.sink.Write(part, first * bits / 8, bytes);
    const std::uint64_t run = place.width * bits / 8;
    for (std::uint64_t row = 0; row < place.rows; ++row) {
      ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(part, (first + row * place.columns) * bits / 8,
                                                    bytes.subspan(row * run, run)));
    }
    return absl::OkStatus();
  }

  CodecContext context_;
  kernels::QdqFormat format_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  std::uint64_t bits_;
  Grain grain_ = Grain::kOfColumns;
  std::uint64_t block_ = 1;
  std::uint64_t shared_ = 1;  // columns that share a scale, of kOfColumns
  std::mutex mutex_;
  std::vector<kernels::QdqRange> ranges_;
  std::vector<Scales> scales_;  // one, once all tiles have been seen
};

}  // namespace

std::unique_ptr<Codec> MakeQdqCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<QdqCodec>(stored, context);
}

}  // namespace onnxquant
