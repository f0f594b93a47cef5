#include "lib/formats/block_codec.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/half.h"
#include "lib/methods/choose.h"
#include "lib/methods/gptq.h"

namespace onnxquant {
namespace {

kernels::BlockFormat KernelFormat(const Stored& stored) {
  kernels::BlockFormat format;
  format.bits = stored.format.bits;
  format.block = static_cast<std::size_t>(stored.format.block);
  format.symmetric = stored.format.symmetric;
  format.scale = stored.scale == ElementType::kFloat ? kernels::ScaleType::kFloat32
                                                     : kernels::ScaleType::kFloat16;
  return format;
}

// What a tile comes to, and where it belongs.
struct Blocks {
  std::uint64_t first_n = 0;
  std::uint64_t n = 0;
  std::uint64_t first_block = 0;
  std::uint64_t blocks = 0;  // of each n
  std::vector<std::uint8_t> codes;
  std::vector<float> scales_f32;  // the one or the other
  std::vector<std::uint16_t> scales_f16;
  std::vector<std::uint8_t> zero_points;  // a byte each

  absl::Span<const std::byte> scales() const {
    return scales_f16.empty() ? AsBytes(scales_f32) : AsBytes(scales_f16);
  }
};

class BlockCodec : public Codec {
 public:
  BlockCodec(const Stored& stored, const CodecContext& context)
      : stored_(stored),
        context_(context),
        format_(KernelFormat(stored)),
        n_(static_cast<std::uint64_t>(stored.n)),
        all_blocks_(static_cast<std::uint64_t>(BlocksOf(stored))),
        scale_bytes_(stored.scale == ElementType::kFloat ? 4 : 2),
        packed_(static_cast<std::uint64_t>(8 / stored.format.bits)) {}

  Cut Wanted() const override {
    Cut cut;
    cut.rows = static_cast<std::uint64_t>(stored_.transposed ? stored_.n : stored_.k);
    cut.columns = static_cast<std::uint64_t>(stored_.transposed ? stored_.k : stored_.n);
    // A method sees all that a number of outputs read. Some columns at a time keep it busy.
    if (Chooses()) {
      (stored_.transposed ? cut.column_multiple : cut.row_multiple) = all_blocks_ * format_.block;
      if (!stored_.transposed) cut.column_multiple = methods::kGroupRows;
      return cut;
    }
    // As many blocks as have their zero points in one byte, and because a row left over after a
    // tile takes unused bits from the block before.
    const std::uint64_t multiple = packed_ * format_.block;
    (stored_.transposed ? cut.column_multiple : cut.row_multiple) = multiple;
    return cut;
  }

  void Begin(const Tiling& tiling) override {
    Codec::Begin(tiling);
    held_ = !HoldsAllOfK() && n_ * all_blocks_ * (scale_bytes_ + 1) <= 2 * tiling.tile_bytes;
  }

  absl::Status Write(const Tile& tile) override {
    std::vector<float> rounded;
    absl::Span<const float> source = tile.floats;
    if (stored_.format.source == ElementType::kFloat16) {
      rounded.resize(source.size());
      ONNXQUANT_RETURN_IF_ERROR(context_.account->Add(kernels::RoundToHalf(
          source, absl::MakeSpan(rounded), ModeOf(context_.account->overflow()))));
      source = rounded;
    }
    Blocks blocks;
    if (Chooses()) {
      ONNXQUANT_ASSIGN_OR_RETURN(blocks, Chosen(tile, source));
    } else {
      blocks = Quantize(tile, source);
    }
    ONNXQUANT_RETURN_IF_ERROR(CheckFloatScales(blocks.scales_f32, context_.account->what()));
    ONNXQUANT_RETURN_IF_ERROR(
        CheckHalfScales(blocks.scales_f16, Steps(), context_.account->what()));
    if (blocks.n == 0 || blocks.blocks == 0) return absl::OkStatus();
    return WriteBlocks(blocks);
  }

  absl::Status Finish() override {
    if (held_) {
      ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(1, 0, scales_));
      if (!format_.symmetric) {
        std::vector<std::uint8_t> packed(n_ *
                                         static_cast<std::uint64_t>(ZeroPointBytesOf(stored_)));
        kernels::PackZeroPoints(format_, zero_points_, n_, all_blocks_, absl::MakeSpan(packed));
        ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(2, 0, AsBytes(packed)));
      }
    }
    std::vector<std::byte>().swap(scales_);
    std::vector<std::uint8_t>().swap(zero_points_);
    return absl::OkStatus();
  }

 private:
  bool HoldsAllOfK() const {
    return stored_.transposed ? tiling().HoldsAllColumns() : tiling().HoldsAllRows();
  }

  bool Chooses() const { return context_.choice.method != methods::Method::kNearest; }

  bool HalfScales() const { return format_.scale == kernels::ScaleType::kFloat16; }

  std::size_t KOf(const Tile& tile) const { return stored_.transposed ? tile.columns : tile.rows; }

  // With room for what a tile comes to.
  Blocks RoomFor(const Tile& tile) const {
    const bool transposed = stored_.transposed;
    Blocks made;
    made.n = transposed ? tile.rows : tile.columns;
    made.first_n = transposed ? tile.first_row : tile.first_column;
    made.first_block = (transposed ? tile.first_column : tile.first_row) / format_.block;
    const kernels::BlockSizes sizes = kernels::SizesOf(format_, KOf(tile), made.n);
    made.blocks = made.n == 0 ? 0 : sizes.scale_count / made.n;
    made.codes.resize(sizes.data_bytes);
    made.scales_f32.resize(HalfScales() ? 0 : sizes.scale_count);
    made.scales_f16.resize(HalfScales() ? sizes.scale_count : 0);
    made.zero_points.resize(format_.symmetric ? 0 : sizes.scale_count);
    return made;
  }

  // By the method of the plan, of a tile that holds all of K.
  absl::StatusOr<Blocks> Chosen(const Tile& tile, absl::Span<const float> source) const {
    Blocks made = RoomFor(tile);
    const std::size_t k = KOf(tile);
    std::vector<float> rows;  // [n, K]
    if (!stored_.transposed) {
      rows.resize(source.size());
      for (std::size_t i = 0; i < k; ++i) {
        for (std::size_t n = 0; n < made.n; ++n) rows[n * k + i] = source[i * made.n + n];
      }
      source = rows;
    }
    methods::Grid grid;
    grid.bits = format_.bits;
    grid.block = stored_.format.block;
    grid.symmetric = format_.symmetric;
    grid.half_scales = HalfScales();
    ONNXQUANT_ASSIGN_OR_RETURN(methods::Codes codes,
                               methods::Choose(context_.choice, grid, source,
                                               static_cast<std::int64_t>(k), context_.factors));
    kernels::PackCodes(format_, codes.codes, k, made.n, absl::MakeSpan(made.codes));
    if (HalfScales()) {
      kernels::FloatToHalf(codes.scales, absl::MakeSpan(made.scales_f16),
                           kernels::OverflowMode::kInfinity);
    } else {
      made.scales_f32 = std::move(codes.scales);
    }
    if (!format_.symmetric) made.zero_points = std::move(codes.zero_points);
    return made;
  }

  Blocks Quantize(const Tile& tile, absl::Span<const float> source) const {
    const bool transposed = stored_.transposed;
    const std::size_t k = KOf(tile);
    Blocks made = RoomFor(tile);
    kernels::TileOutput output;
    output.data = absl::MakeSpan(made.codes);
    output.scales_f32 = absl::MakeSpan(made.scales_f32);
    output.scales_f16 = absl::MakeSpan(made.scales_f16);
    output.zero_points = absl::MakeSpan(made.zero_points);
    kernels::QuantizeTile(format_,
                          transposed ? kernels::WeightLayout::kNK : kernels::WeightLayout::kKN,
                          source, k, made.n, output);
    return made;
  }

  int Steps() const {
    return stored_.format.symmetric ? 1 << (format_.bits - 1) : (1 << format_.bits) - 1;
  }

  // A tile's share of a part, of `unit` bytes for each of `all` places of an n, from place `first`
  // on: contiguous when the tile holds all of K, else each n's places are.
  absl::Status WritePart(std::size_t part, const Blocks& blocks, std::uint64_t unit,
                         std::uint64_t all, std::uint64_t first,
                         absl::Span<const std::byte> bytes) const {
    if (HoldsAllOfK()) return context_.sink.Write(part, blocks.first_n * all * unit, bytes);
    const std::uint64_t run = bytes.size() / blocks.n;
    for (std::uint64_t n = 0; n < blocks.n; ++n) {
      ONNXQUANT_RETURN_IF_ERROR(context_.sink.Write(
          part, ((blocks.first_n + n) * all + first) * unit, bytes.subspan(n * run, run)));
    }
    return absl::OkStatus();
  }

  // Rows that end with their last code: what pads the last block is cut off.
  absl::Status WriteUnpadded(const Blocks& blocks) const {
    const std::uint64_t row_bytes = static_cast<std::uint64_t>(stored_.k) / packed_;
    const std::uint64_t run = blocks.codes.size() / blocks.n;
    const std::uint64_t first = blocks.first_block * format_.block / packed_;
    const absl::Span<const std::byte> codes = AsBytes(blocks.codes);
    for (std::uint64_t n = 0; n < blocks.n; ++n) {
      ONNXQUANT_RETURN_IF_ERROR(
          context_.sink.Write(0, (blocks.first_n + n) * row_bytes + first,
                              codes.subspan(n * run, std::min(run, row_bytes - first))));
    }
    return absl::OkStatus();
  }

  absl::Status WriteBlocks(const Blocks& blocks) {
    const std::uint64_t block_bytes = format_.block / packed_;
    ONNXQUANT_RETURN_IF_ERROR(stored_.padded ? WritePart(0, blocks, block_bytes, all_blocks_,
                                                         blocks.first_block, AsBytes(blocks.codes))
                                             : WriteUnpadded(blocks));
    if (held_) {
      Hold(blocks);
      return absl::OkStatus();
    }
    ONNXQUANT_RETURN_IF_ERROR(
        WritePart(1, blocks, scale_bytes_, all_blocks_, blocks.first_block, blocks.scales()));
    if (format_.symmetric) return absl::OkStatus();
    // Tiles begin with a byte of zero points, so that none shares one with another.
    std::vector<std::uint8_t> packed(blocks.n * ((blocks.blocks + packed_ - 1) / packed_));
    kernels::PackZeroPoints(format_, blocks.zero_points, blocks.n, blocks.blocks,
                            absl::MakeSpan(packed));
    return WritePart(2, blocks, 1, static_cast<std::uint64_t>(ZeroPointBytesOf(stored_)),
                     blocks.first_block / packed_, AsBytes(packed));
  }

  void Hold(const Blocks& blocks) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      scales_.resize(n_ * all_blocks_ * scale_bytes_);
      if (!format_.symmetric) zero_points_.resize(n_ * all_blocks_);
    }
    for (std::uint64_t n = 0; n < blocks.n; ++n) {
      const std::uint64_t to = (blocks.first_n + n) * all_blocks_ + blocks.first_block;
      std::memcpy(scales_.data() + to * scale_bytes_,
                  blocks.scales().data() + n * blocks.blocks * scale_bytes_,
                  blocks.blocks * scale_bytes_);
      if (!format_.symmetric) {
        std::memcpy(zero_points_.data() + to, blocks.zero_points.data() + n * blocks.blocks,
                    blocks.blocks);
      }
    }
  }

  Stored stored_;
  CodecContext context_;
  kernels::BlockFormat format_;
  std::uint64_t n_;
  std::uint64_t all_blocks_;
  std::uint64_t scale_bytes_;
  std::uint64_t packed_;  // codes in a byte
  // Of tiles that hold parts of K: scales [N, blocks] and zero points, a byte each, allocated by
  // the first tile and written and released by the last. Where they are too many to be held, and
  // where a tile holds all of K, they are written as they come.
  bool held_ = false;
  std::mutex mutex_;
  std::vector<std::byte> scales_;
  std::vector<std::uint8_t> zero_points_;
};

}  // namespace

std::int64_t BlocksOf(const Stored& stored) {
  return (stored.k + stored.format.block - 1) / stored.format.block;
}

std::int64_t ZeroPointBytesOf(const Stored& stored) {
  return (BlocksOf(stored) * stored.format.bits + 7) / 8;
}

absl::string_view CodesSuffix(int bits) {
  return bits == 2 ? "_Q2" : bits == 4 ? "_Q4" : "_Q8";
}

std::vector<std::int64_t> ProductCodesDims(const Stored& stored) {
  return {stored.n, BlocksOf(stored), stored.format.block * stored.format.bits / 8};
}

std::vector<StoredTensor> ProductTensors(const Stored& stored) {
  return BlockTensors(stored, ProductCodesDims(stored));
}

std::vector<StoredTensor> BlockTensors(const Stored& stored, std::vector<std::int64_t> codes_dims) {
  std::vector<StoredTensor> tensors = {
      {CodesSuffix(stored.format.bits), ElementType::kUint8, std::move(codes_dims)},
      {"_scales", stored.scale, {stored.n, BlocksOf(stored)}}};
  if (!stored.format.symmetric) {
    tensors.push_back({"_zero_points", ElementType::kUint8, {stored.n, ZeroPointBytesOf(stored)}});
  }
  return tensors;
}

std::string BlockCodesKey(const Stored& stored) {
  const WeightFormat& format = stored.format;
  return absl::StrCat(format.bits, " bits ", format.block, format.symmetric ? "" : " asymmetric",
                      " from ", NameOf(format.source), " ", stored.k, " ", stored.n, " ",
                      stored.transposed ? "NK " : "KN ", stored.padded ? "" : "unpadded ",
                      NameOf(stored.scale));
}

std::string WhyNotInBlocks(const WeightReading& reading) {
  if (reading.compute == ElementType::kFloat || reading.compute == ElementType::kFloat16) return "";
  return absl::StrCat("its ", reading.op, " computes in ", NameOf(reading.compute),
                      "; blocks are read in float32 and float16");
}

std::string WhyNoProductOfBlocks(std::int64_t k, std::int64_t n, std::int64_t block) {
  // ONNX Runtime's kernel for WebGPU takes such a weight for one that has a single scale.
  if (n == 1 || k * n != block) return "";
  return absl::StrCat("its ", k, " × ", n, " numbers are as many as a block has, of which WebGPU ",
                      "reads one scale for all columns");
}

void MultiplyByBlocks(const Stored& stored, const std::string& left, const std::string& codes,
                      absl::Span<const std::string> names, onnx::NodeProto& node, NodeSink& sink) {
  node.set_op_type("MatMulNBits");
  node.set_domain("com.microsoft");
  node.add_input(left);
  node.add_input(codes);
  for (const std::string& name : names.subspan(1)) node.add_input(name);
  SetInt(node, "K", stored.k);
  SetInt(node, "N", stored.n);
  SetInt(node, "bits", stored.format.bits);
  SetInt(node, "block_size", stored.format.block);
  sink.RequireOpset("com.microsoft", 1);
}

std::string CodesInShape(const Stored& stored, const std::string& codes,
                         absl::Span<const std::int64_t> dims, NodeSink& sink) {
  if (stored.form->tensors(stored)[0].dims == dims) return codes;
  return sink.Once(absl::StrCat(codes, " as ", absl::StrJoin(dims, "x")), [&]() {
    const std::string shape = AddInts(sink, absl::StrCat(codes, "_shape"), dims);
    std::string shaped = sink.UniqueValue(absl::StrCat(codes, "_shaped"));
    sink.AddNode() = MakeNode("Reshape", sink.UniqueNode(absl::StrCat(shaped, "/Reshape")),
                              {codes, shape}, {shaped});
    return shaped;
  });
}

std::unique_ptr<Codec> MakeBlockCodec(const Stored& stored, const CodecContext& context) {
  return std::make_unique<BlockCodec>(stored, context);
}

}  // namespace onnxquant
