#include "lib/rewrite/fill_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/kernels/block_quantize.h"
#include "lib/model/float_payload.h"
#include "lib/rewrite/constants.h"

namespace onnxquant {
namespace {

std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

template <typename T>
absl::Span<const std::byte> AsBytes(const std::vector<T>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

kernels::BlockFormat KernelFormat(const FillJob& job) {
  kernels::BlockFormat format;
  format.bits = 4;
  format.block = static_cast<std::size_t>(job.format.block);
  format.symmetric = job.format.symmetric;
  format.scale =
      job.type == ElementType::kFloat ? kernels::ScaleType::kFloat32 : kernels::ScaleType::kFloat16;
  return format;
}

// Shorter runs of a row are not worth a read or a write of their own.
constexpr std::uint64_t kShortestRun = 4096;

// The type that the job rounds numbers to.
ElementType NarrowType(const FillJob& job) {
  return job.kind == FillJob::Kind::kConvert ? job.type : job.format.source;
}

}  // namespace

FillSource::FillSource(const Model& model, const onnx::TensorProto& tensor)
    : model_(model), tensor_(tensor) {}

void FillSource::AddTarget(const FillJob& job, const OutputToFill& output) {
  FillTarget target;
  target.job = &job;
  target.output = &output;
  targets_.push_back(std::move(target));
}

std::uint64_t FillSource::K(const FillTarget& target) const {
  return static_cast<std::uint64_t>(tensor_.dims(target.job->transposed ? 1 : 0));
}

std::uint64_t FillSource::N(const FillTarget& target) const {
  return static_cast<std::uint64_t>(tensor_.dims(target.job->transposed ? 0 : 1));
}

std::uint64_t FillSource::Blocks(const FillTarget& target) const {
  return CeilDiv(K(target), static_cast<std::uint64_t>(target.job->format.block));
}

absl::Status FillSource::Cut(std::uint64_t tile_bytes) {
  const auto type = static_cast<ElementType>(tensor_.data_type());
  ONNXQUANT_ASSIGN_OR_RETURN(
      bytes_,
      PackedBytes(type, {tensor_.dims().data(), static_cast<std::size_t>(tensor_.dims_size())}));
  std::uint64_t align = 1;
  bool rows_matter = false;
  for (const FillTarget& target : targets_) {
    if (target.job->kind != FillJob::Kind::kInt4) continue;
    rows_matter = true;
    if (!target.job->transposed) {
      // Two blocks, because a row left over after a tile takes unused bits from the block before.
      align = std::max(align, 2 * static_cast<std::uint64_t>(target.job->format.block));
    }
  }
  element_bytes_ = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(BitsOf(type)) / 8);
  if (rows_matter) {
    rows_ = static_cast<std::uint64_t>(tensor_.dims(0));
    columns_ = static_cast<std::uint64_t>(tensor_.dims(1));
  } else {  // whole elements, for types of a byte or more; packed ones are copied byte by byte
    rows_ = bytes_ / element_bytes_;
  }
  row_bytes_ = columns_ * element_bytes_;
  const std::uint64_t wanted = tile_bytes / std::max<std::uint64_t>(1, row_bytes_);
  tile_rows_ = std::max(align, wanted / align * align);
  tile_columns_ = columns_;
  if (std::min(tile_rows_, rows_) * row_bytes_ > tile_bytes) CutColumns(tile_bytes, align);
  column_tiles_ = CeilDiv(columns_, std::max<std::uint64_t>(1, tile_columns_));
  tiles_ = static_cast<std::size_t>(CeilDiv(rows_, tile_rows_) * column_tiles_);
  unfinished_ = tiles_;
  for (FillTarget& target : targets_) {
    if (target.job->kind != FillJob::Kind::kInt4 || HoldsAllOfK(target)) continue;
    const std::uint64_t scale_bytes = target.job->type == ElementType::kFloat ? 4 : 2;
    target.held = N(target) * Blocks(target) * (scale_bytes + 1) <= 2 * tile_bytes;
  }
  return absl::OkStatus();
}

// Where the rows that must stay together are too many for a tile: all rows, if runs of them remain
// that are worth a read, since what lies along K lies together in the output; else as few rows as
// may be.
void FillSource::CutColumns(std::uint64_t tile_bytes, std::uint64_t align) {
  std::uint64_t column_align = 1;
  for (const FillTarget& target : targets_) {
    const bool along = target.job->kind == FillJob::Kind::kInt4 && target.job->transposed;
    if (along) {
      column_align =
          std::max(column_align, 2 * static_cast<std::uint64_t>(target.job->format.block));
    }
  }
  const std::uint64_t columns_of_all_rows = tile_bytes / (rows_ * element_bytes_);
  const bool all_rows = align > 1 && columns_of_all_rows * element_bytes_ >= kShortestRun;
  tile_rows_ = all_rows ? rows_ : std::min(align, rows_);
  const std::uint64_t wanted = tile_bytes / (tile_rows_ * element_bytes_);
  tile_columns_ = std::min(columns_, std::max(column_align, wanted / column_align * column_align));
}

bool FillSource::HoldsAllOfK(const FillTarget& target) const {
  return target.job->transposed ? tile_columns_ == columns_ : tile_rows_ >= rows_;
}

// The tile's bytes: as they stand in the file, or, of parts of rows, row after row in `packed`.
absl::StatusOr<absl::Span<const std::byte>> FillSource::Gather(
    const Tile& tile, std::vector<std::byte>& packed) const {
  if (tile.columns == columns_) {
    return model_.Read(tensor_, tile.first_row * row_bytes_, tile.rows * row_bytes_);
  }
  const std::uint64_t run = tile.columns * element_bytes_;
  packed.resize(tile.rows * run);
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    const std::uint64_t offset =
        (tile.first_row + row) * row_bytes_ + tile.first_column * element_bytes_;
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                               model_.Read(tensor_, offset, run));
    std::memcpy(packed.data() + row * run, bytes.data(), run);
  }
  return absl::Span<const std::byte>(packed);
}

void FillSource::Release(const Tile& tile) const {
  if (tile.columns == columns_) {
    model_.Release(tensor_, tile.first_row * row_bytes_, tile.rows * row_bytes_);
    return;
  }
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    model_.Release(tensor_,
                   (tile.first_row + row) * row_bytes_ + tile.first_column * element_bytes_,
                   tile.columns * element_bytes_);
  }
}

absl::StatusOr<std::uint64_t> FillSource::Fill(std::size_t index) {
  Tile tile;
  tile.first_row = index / column_tiles_ * tile_rows_;
  tile.rows = std::min(tile_rows_, rows_ - tile.first_row);
  tile.first_column = index % column_tiles_ * tile_columns_;
  tile.columns = std::min(tile_columns_, columns_ - tile.first_column);
  const std::uint64_t length = tile.rows * tile.columns * element_bytes_;
  std::vector<std::byte> packed;
  ONNXQUANT_ASSIGN_OR_RETURN(tile.bytes, Gather(tile, packed));
  const auto type = static_cast<ElementType>(tensor_.data_type());
  std::vector<float> aligned;
  const bool in_place = type == ElementType::kFloat &&
                        reinterpret_cast<std::uintptr_t>(tile.bytes.data()) % alignof(float) == 0;
  if (in_place) {
    tile.floats = {reinterpret_cast<const float*>(tile.bytes.data()),
                   tile.bytes.size() / sizeof(float)};
  } else if (type != ElementType::kDouble) {  // whose rounding depends on what it becomes
    aligned = FloatsOfPayload(tile.bytes, type);
    tile.floats = aligned;
  }
  for (FillTarget& target : targets_) {
    const bool narrows = type == ElementType::kDouble && target.job->kind != FillJob::Kind::kCopy;
    if (target.job->exponent == 0 && !narrows) {
      ONNXQUANT_RETURN_IF_ERROR(FillTile(target, tile));
      continue;
    }
    Tile own = tile;
    std::vector<float> floats(tile.floats.begin(), tile.floats.end());
    if (narrows) {
      ONNXQUANT_ASSIGN_OR_RETURN(floats, Narrowed(target, tile));
    }
    const float factor = std::ldexp(1.0F, target.job->exponent);
    for (float& number : floats) number *= factor;
    own.floats = floats;
    ONNXQUANT_RETURN_IF_ERROR(FillTile(target, own));
  }
  Release(tile);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--unfinished_ > 0) return length;
  }
  ONNXQUANT_RETURN_IF_ERROR(FinishTargets());
  return length;
}

// A tile of float64 as the job's next step takes it.
absl::StatusOr<std::vector<float>> FillSource::Narrowed(FillTarget& target, const Tile& tile) {
  const FillJob& job = *target.job;
  const bool rounds_again = IsHalf(NarrowType(job));
  kernels::NarrowStats stats;
  std::vector<float> floats = FloatsOfPayload(
      tile.bytes, ElementType::kDouble,
      rounds_again ? DoubleRounding::kOdd : DoubleRounding::kNearest, ModeOf(job.overflow), &stats);
  ONNXQUANT_RETURN_IF_ERROR(Account(target, stats));
  return floats;
}

absl::Status FillSource::FillTile(FillTarget& target, const Tile& tile) {
  switch (target.job->kind) {
    case FillJob::Kind::kConvert:
      return Convert(target, tile);
    case FillJob::Kind::kInt4:
      return Quantize(target, tile);
    case FillJob::Kind::kCopy:
      break;
  }
  return Copy(target, tile);
}

absl::Status FillSource::Copy(FillTarget& target, const Tile& tile) {
  return WriteRows(target, tile, element_bytes_, tile.bytes);
}

// Elements of a tile, in whatever type, to their places in a tensor of the constant's shape.
absl::Status FillSource::WriteRows(const FillTarget& target, const Tile& tile,
                                   std::uint64_t element_bytes,
                                   absl::Span<const std::byte> bytes) const {
  TensorSink& sink = *target.output->sink;
  const int to = target.job->targets[0];
  if (tile.columns == columns_) {
    return sink.Write(to, tile.first_row * columns_ * element_bytes, bytes);
  }
  const std::uint64_t run = tile.columns * element_bytes;
  for (std::uint64_t row = 0; row < tile.rows; ++row) {
    const std::uint64_t first = (tile.first_row + row) * columns_ + tile.first_column;
    ONNXQUANT_RETURN_IF_ERROR(sink.Write(to, first * element_bytes, bytes.subspan(row * run, run)));
  }
  return absl::OkStatus();
}

absl::Status FillSource::Account(FillTarget& target, const kernels::NarrowStats& stats) {
  const std::lock_guard<std::mutex> lock(mutex_);
  target.stats.Merge(stats);
  if (target.job->overflow != Overflow::kError || target.stats.overflowed == 0) {
    return absl::OkStatus();
  }
  return ModelError(DescribeOverflow(target.stats, NarrowType(*target.job), Overflow::kError,
                                     absl::StrCat("initializer '", tensor_.name(), "'")));
}

// A block of a float32 weight can ask for a scale beyond float16, which would make it infinite.
absl::Status FillSource::CheckScales(absl::Span<const std::uint16_t> scales) const {
  constexpr std::uint16_t kExponent = 0x7c00;
  const auto infinite = std::count_if(scales.begin(), scales.end(), [](std::uint16_t scale) {
    return (scale & kExponent) == kExponent;
  });
  if (infinite == 0) return absl::OkStatus();
  return ModelError("initializer '", tensor_.name(), "': ", infinite,
                    " of its blocks hold values beyond what a float16 scale can carry (8 * 65504); "
                    "keep it in float32 with a rule (compute: float32, weights: float32)");
}

absl::Status FillSource::Convert(FillTarget& target, const Tile& tile) {
  if (target.job->type == ElementType::kDouble) {
    const std::vector<double> doubles(tile.floats.begin(), tile.floats.end());
    return WriteRows(target, tile, sizeof(double), AsBytes(doubles));
  }
  if (target.job->type == ElementType::kFloat) {
    return WriteRows(target, tile, sizeof(float),
                     {reinterpret_cast<const std::byte*>(tile.floats.data()),
                      tile.floats.size() * sizeof(float)});
  }
  std::vector<std::uint16_t> halves(tile.floats.size());
  const kernels::NarrowStats stats =
      Narrow(tile.floats, target.job->type, target.job->overflow, absl::MakeSpan(halves));
  ONNXQUANT_RETURN_IF_ERROR(Account(target, stats));
  return WriteRows(target, tile, sizeof(std::uint16_t), AsBytes(halves));
}

absl::Status FillSource::Quantize(FillTarget& target, const Tile& tile) {
  const FillJob& job = *target.job;
  const kernels::BlockFormat format = KernelFormat(job);
  const bool half = format.scale == kernels::ScaleType::kFloat16;
  std::vector<float> rounded;
  absl::Span<const float> source = tile.floats;
  if (job.format.source == ElementType::kFloat16) {
    rounded.resize(source.size());
    ONNXQUANT_RETURN_IF_ERROR(Account(
        target, kernels::RoundToHalf(source, absl::MakeSpan(rounded), ModeOf(job.overflow))));
    source = rounded;
  }
  const std::size_t k = job.transposed ? tile.columns : tile.rows;
  const std::size_t n = job.transposed ? tile.rows : tile.columns;
  const std::size_t blocks = CeilDiv(k, format.block);
  std::vector<std::uint8_t> data(n * blocks * format.block / 2);
  std::vector<float> scales_f32(half ? 0 : n * blocks);
  std::vector<std::uint16_t> scales_f16(half ? n * blocks : 0);
  std::vector<std::uint8_t> zero_points(format.symmetric ? 0 : n * blocks);
  kernels::TileOutput output;
  output.data = absl::MakeSpan(data);
  output.scales_f32 = absl::MakeSpan(scales_f32);
  output.scales_f16 = absl::MakeSpan(scales_f16);
  output.zero_points = absl::MakeSpan(zero_points);
  kernels::QuantizeTile(format,
                        job.transposed ? kernels::WeightLayout::kNK : kernels::WeightLayout::kKN,
                        source, k, n, output);
  ONNXQUANT_RETURN_IF_ERROR(CheckScales(scales_f16));
  Blocks4 made;
  made.first_n = job.transposed ? tile.first_row : tile.first_column;
  made.n = n;
  made.first_block = (job.transposed ? tile.first_column : tile.first_row) / format.block;
  made.blocks = blocks;
  made.data = AsBytes(data);
  made.scales = half ? AsBytes(scales_f16) : AsBytes(scales_f32);
  made.zero_points = zero_points;
  return WriteBlocks(target, made);
}

// A tile's part of one of the job's tensors, of `unit` bytes for each of `all` places of an n, from
// place `first` on: contiguous when the tile holds all of K, else each n's places are.
absl::Status FillSource::WriteParts(const FillTarget& target, int part, const Blocks4& blocks,
                                    std::uint64_t unit, std::uint64_t all, std::uint64_t first,
                                    absl::Span<const std::byte> bytes) const {
  TensorSink& sink = *target.output->sink;
  const int to = target.job->targets[static_cast<std::size_t>(part)];
  if (HoldsAllOfK(target)) return sink.Write(to, blocks.first_n * all * unit, bytes);
  const std::uint64_t run = bytes.size() / blocks.n;
  for (std::uint64_t n = 0; n < blocks.n; ++n) {
    ONNXQUANT_RETURN_IF_ERROR(
        sink.Write(to, ((blocks.first_n + n) * all + first) * unit, bytes.subspan(n * run, run)));
  }
  return absl::OkStatus();
}

absl::Status FillSource::WriteBlocks(FillTarget& target, const Blocks4& blocks) {
  const FillJob& job = *target.job;
  const std::uint64_t all = Blocks(target);
  const auto block_bytes = static_cast<std::uint64_t>(job.format.block) / 2;
  if (blocks.n == 0 || blocks.blocks == 0) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(
      WriteParts(target, 0, blocks, block_bytes, all, blocks.first_block, blocks.data));
  if (target.held) {
    Hold(target, blocks);
    return absl::OkStatus();
  }
  const std::uint64_t scale_bytes = blocks.scales.size() / (blocks.n * blocks.blocks);
  ONNXQUANT_RETURN_IF_ERROR(
      WriteParts(target, 1, blocks, scale_bytes, all, blocks.first_block, blocks.scales));
  if (job.format.symmetric) return absl::OkStatus();
  const kernels::BlockFormat format = KernelFormat(job);
  // Tiles begin with a pair of blocks, so that none shares a byte with another.
  std::vector<std::uint8_t> packed(blocks.n * CeilDiv(blocks.blocks, 2));
  kernels::PackZeroPoints(format, blocks.zero_points, blocks.n, blocks.blocks,
                          absl::MakeSpan(packed));
  return WriteParts(target, 2, blocks, 1, CeilDiv(all, 2), blocks.first_block / 2, AsBytes(packed));
}

void FillSource::Hold(FillTarget& target, const Blocks4& blocks) {
  const std::uint64_t all = Blocks(target);
  const std::uint64_t scale_bytes = blocks.scales.size() / (blocks.n * blocks.blocks);
  const bool symmetric = target.job->format.symmetric;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    target.scales.resize(N(target) * all * scale_bytes);
    if (!symmetric) target.zero_points.resize(N(target) * all);
  }
  for (std::uint64_t n = 0; n < blocks.n; ++n) {
    const std::uint64_t to = (blocks.first_n + n) * all + blocks.first_block;
    std::memcpy(target.scales.data() + to * scale_bytes,
                blocks.scales.data() + n * blocks.blocks * scale_bytes,
                blocks.blocks * scale_bytes);
    if (!symmetric) {
      std::memcpy(target.zero_points.data() + to, blocks.zero_points.data() + n * blocks.blocks,
                  blocks.blocks);
    }
  }
}

absl::Status FillSource::FinishTargets() {
  for (FillTarget& target : targets_) {
    const FillJob& job = *target.job;
    if (target.held) {
      ONNXQUANT_RETURN_IF_ERROR(
          target.output->sink->Write(job.targets[1], 0, AsBytes(target.scales)));
      if (!job.format.symmetric) {
        const kernels::BlockFormat format = KernelFormat(job);
        std::vector<std::uint8_t> packed(
            kernels::SizesOf(format, K(target), N(target)).zero_point_bytes);
        kernels::PackZeroPoints(format, target.zero_points, N(target), Blocks(target),
                                absl::MakeSpan(packed));
        ONNXQUANT_RETURN_IF_ERROR(target.output->sink->Write(job.targets[2], 0, AsBytes(packed)));
      }
    }
    std::vector<std::byte>().swap(target.scales);
    std::vector<std::uint8_t>().swap(target.zero_points);
  }
  return absl::OkStatus();
}

void FillSource::AddWarnings() const {
  const auto bits =
      static_cast<std::uint64_t>(BitsOf(static_cast<ElementType>(tensor_.data_type())));
  const std::size_t elements = bytes_ * 8 / bits;
  for (const FillTarget& target : targets_) {
    if (target.output->warnings == nullptr) continue;
    const ElementType type = NarrowType(*target.job);
    const std::string what = absl::StrCat("initializer '", tensor_.name(), "'");
    for (std::string message : {DescribeOverflow(target.stats, type, target.job->overflow, what),
                                DescribeVanished(target.stats, type, elements, what)}) {
      if (!message.empty()) target.output->warnings->push_back(std::move(message));
    }
  }
}

}  // namespace onnxquant
