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
  if (rows_matter) {
    rows_ = static_cast<std::uint64_t>(tensor_.dims(0));
    row_bytes_ = rows_ == 0 ? 0 : bytes_ / rows_;
  } else {  // whole elements, for types of a byte or more; packed ones are copied byte by byte
    row_bytes_ = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(BitsOf(type)) / 8);
    rows_ = bytes_ / row_bytes_;
  }
  const std::uint64_t wanted = tile_bytes / std::max<std::uint64_t>(1, row_bytes_);
  tile_rows_ = std::max(align, wanted / align * align);
  tiles_ = static_cast<std::size_t>(CeilDiv(rows_, tile_rows_));
  unfinished_ = tiles_;
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> FillSource::Fill(std::size_t index) {
  Tile tile;
  tile.first_row = index * tile_rows_;
  tile.rows = std::min(tile_rows_, rows_ - tile.first_row);
  const std::uint64_t offset = tile.first_row * row_bytes_;
  const std::uint64_t length = tile.rows * row_bytes_;
  ONNXQUANT_ASSIGN_OR_RETURN(tile.bytes, model_.Read(tensor_, offset, length));
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
  model_.Release(tensor_, offset, length);
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
  return target.output->sink->Write(target.job->targets[0], tile.first_row * row_bytes_,
                                    tile.bytes);
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
  const std::uint64_t source_bytes =
      static_cast<std::uint64_t>(BitsOf(static_cast<ElementType>(tensor_.data_type()))) / 8;
  const std::uint64_t first = tile.first_row * row_bytes_ / source_bytes;
  if (target.job->type == ElementType::kDouble) {
    const std::vector<double> doubles(tile.floats.begin(), tile.floats.end());
    return target.output->sink->Write(target.job->targets[0], first * sizeof(double),
                                      AsBytes(doubles));
  }
  if (target.job->type == ElementType::kFloat) {
    return target.output->sink->Write(target.job->targets[0], first * sizeof(float),
                                      {reinterpret_cast<const std::byte*>(tile.floats.data()),
                                       tile.floats.size() * sizeof(float)});
  }
  std::vector<std::uint16_t> halves(tile.floats.size());
  const kernels::NarrowStats stats =
      Narrow(tile.floats, target.job->type, target.job->overflow, absl::MakeSpan(halves));
  ONNXQUANT_RETURN_IF_ERROR(Account(target, stats));
  return target.output->sink->Write(target.job->targets[0], first * sizeof(std::uint16_t),
                                    AsBytes(halves));
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
  const std::size_t k = job.transposed ? K(target) : tile.rows;
  const std::size_t n = job.transposed ? tile.rows : N(target);
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
  const absl::Span<const std::byte> scales = half ? AsBytes(scales_f16) : AsBytes(scales_f32);
  const std::size_t scale_bytes = half ? sizeof(std::uint16_t) : sizeof(float);
  const std::size_t all_blocks = Blocks(target);
  const std::size_t first_n = job.transposed ? tile.first_row : 0;
  const std::size_t first_block = job.transposed ? 0 : tile.first_row / format.block;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    target.scales.resize(N(target) * all_blocks * scale_bytes);
    if (!format.symmetric) target.zero_points.resize(N(target) * all_blocks);
  }
  for (std::size_t row = 0; row < n; ++row) {
    const std::size_t to = (first_n + row) * all_blocks + first_block;
    std::memcpy(target.scales.data() + to * scale_bytes, scales.data() + row * blocks * scale_bytes,
                blocks * scale_bytes);
    if (!format.symmetric) {
      std::memcpy(target.zero_points.data() + to, zero_points.data() + row * blocks, blocks);
    }
  }
  return WriteBlocks(target, tile, data);
}

// A tile's blocks are contiguous in the output when the tile holds all of K; else each column's
// are.
absl::Status FillSource::WriteBlocks(FillTarget& target, const Tile& tile,
                                     absl::Span<const std::uint8_t> data) {
  const FillJob& job = *target.job;
  const auto block_bytes = static_cast<std::uint64_t>(job.format.block) / 2;
  const std::uint64_t row_bytes = Blocks(target) * block_bytes;
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data.data()),
                                          data.size());
  TensorSink& sink = *target.output->sink;
  if (job.transposed) return sink.Write(job.targets[0], tile.first_row * row_bytes, bytes);
  if (tile.rows == rows_) return sink.Write(job.targets[0], 0, bytes);
  const std::uint64_t start =
      tile.first_row / static_cast<std::uint64_t>(job.format.block) * block_bytes;
  const std::uint64_t part = data.size() / N(target);
  for (std::uint64_t n = 0; n < N(target); ++n) {
    ONNXQUANT_RETURN_IF_ERROR(
        sink.Write(job.targets[0], n * row_bytes + start, bytes.subspan(n * part, part)));
  }
  return absl::OkStatus();
}

absl::Status FillSource::FinishTargets() {
  for (FillTarget& target : targets_) {
    const FillJob& job = *target.job;
    if (job.kind == FillJob::Kind::kInt4) {
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
