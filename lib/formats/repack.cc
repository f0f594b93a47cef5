#include "lib/formats/repack.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <vector>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

// As a tile holds all of K, an n's numbers lie together in the output.
Cut WholeRowsOfK(const Repack& repack, std::uint64_t row, std::uint64_t column_bytes) {
  Cut cut;
  cut.rows = row;
  cut.columns = column_bytes;
  (repack.transposed ? cut.column_multiple : cut.row_multiple) =
      repack.transposed ? column_bytes : row;
  return cut;
}

class CodesRepacker : public Codec {
 public:
  CodesRepacker(const Repack& repack, const CodecContext& context)
      : repack_(repack),
        sink_(context.sink),
        bits_(static_cast<unsigned>(repack.bits)),
        per_byte_(8U / bits_),
        row_bytes_(static_cast<std::uint64_t>(repack.row_bytes)),
        rows_(static_cast<std::uint64_t>(repack.transposed ? repack.n : repack.k)),
        columns_(static_cast<std::uint64_t>(repack.transposed ? repack.k : repack.n)) {
    // Two's complement with the sign turned is the number plus half the range.
    const unsigned sign = repack.is_signed ? 1U << (bits_ - 1U) : 0U;
    for (unsigned i = 0; i < per_byte_; ++i) flip_ |= sign << (i * bits_);
  }

  Cut Wanted() const override {
    return Held() ? Cut{} : WholeRowsOfK(repack_, rows_, columns_ / per_byte_);
  }
  bool Copies() const override { return true; }

  absl::Status Write(const Tile& tile) override {
    if (Held()) return Hold(tile);
    const std::uint64_t n = repack_.transposed ? tile.rows : tile.columns * per_byte_;
    const std::uint64_t first = repack_.transposed ? tile.first_row : tile.first_column * per_byte_;
    std::vector<std::uint8_t> out(n * row_bytes_, 0);
    if (repack_.transposed) {
      for (std::uint64_t row = 0; row < tile.rows; ++row) {
        for (std::uint64_t at = 0; at < tile.columns; ++at) {
          out[row * row_bytes_ + at] = Flipped(tile.bytes[row * tile.columns + at]);
        }
      }
    } else {
      Turn(tile, out);
    }
    return sink_.Write(0, first * row_bytes_, AsBytes(out));
  }

  absl::Status Finish() override {
    if (!Held()) return absl::OkStatus();
    absl::Status status = sink_.Write(0, 0, AsBytes(held_));
    std::vector<std::uint8_t>().swap(held_);
    return status;
  }

 private:
  bool Held() const { return columns_ % per_byte_ != 0; }

  std::uint8_t Flipped(std::byte byte) const {
    return static_cast<std::uint8_t>(std::to_integer<unsigned>(byte) ^ flip_);
  }
  std::uint8_t Code(std::uint8_t byte, std::uint64_t place) const {
    return static_cast<std::uint8_t>((byte >> (place * bits_)) & ((1U << bits_) - 1U));
  }
  void Put(std::uint8_t code, std::uint64_t k, std::uint8_t* row) const {
    row[k / per_byte_] |= static_cast<std::uint8_t>(code << (k % per_byte_ * bits_));
  }

  // Some columns at a time, so that the rows that they become stay in the cache.
  void Turn(const Tile& tile, std::vector<std::uint8_t>& out) const {
    constexpr std::uint64_t kAtOnce = 32;
    for (std::uint64_t first = 0; first < tile.columns; first += kAtOnce) {
      const std::uint64_t end = std::min(tile.columns, first + kAtOnce);
      for (std::uint64_t k = 0; k < tile.rows; ++k) {
        for (std::uint64_t at = first; at < end; ++at) {
          const std::uint8_t byte = Flipped(tile.bytes[k * tile.columns + at]);
          for (std::uint64_t place = 0; place < per_byte_; ++place) {
            Put(Code(byte, place), k, out.data() + (at * per_byte_ + place) * row_bytes_);
          }
        }
      }
    }
  }

  // Codes of a byte may belong to two rows, and a byte of the output take codes of two tiles.
  absl::Status Hold(const Tile& tile) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_.resize(static_cast<std::uint64_t>(repack_.n) * row_bytes_, 0);
    for (std::uint64_t row = 0; row < tile.rows; ++row) {
      for (std::uint64_t column = 0; column < tile.columns; ++column) {
        const std::uint8_t byte = Flipped(tile.bytes[row * tile.columns + column]);
        const std::uint64_t at =
            (tile.first_row + row) * tiling().columns + tile.first_column + column;
        for (std::uint64_t place = 0; place < per_byte_; ++place) {
          const std::uint64_t element = at * per_byte_ + place;
          if (element >= rows_ * columns_) break;
          const std::uint64_t i = element / columns_;
          const std::uint64_t j = element % columns_;
          Put(Code(byte, place), repack_.transposed ? j : i,
              held_.data() + (repack_.transposed ? i : j) * row_bytes_);
        }
      }
    }
    return absl::OkStatus();
  }

  Repack repack_;
  PartSink sink_;
  unsigned bits_;
  unsigned per_byte_;
  std::uint64_t row_bytes_;
  std::uint64_t rows_;  // of the source
  std::uint64_t columns_;
  unsigned flip_ = 0;
  std::mutex mutex_;
  std::vector<std::uint8_t> held_;
};

class FloatsRepacker : public Codec {
 public:
  FloatsRepacker(const Repack& repack, const CodecContext& context)
      : repack_(repack), context_(context) {}

  Cut Wanted() const override {
    const auto k = static_cast<std::uint64_t>(repack_.k);
    const auto n = static_cast<std::uint64_t>(repack_.n);
    return WholeRowsOfK(repack_, repack_.transposed ? n : k, repack_.transposed ? k : n);
  }

  absl::Status Write(const Tile& tile) override {
    std::vector<float> turned(tile.floats.begin(), tile.floats.end());
    if (!repack_.transposed) {
      for (std::uint64_t k = 0; k < tile.rows; ++k) {
        for (std::uint64_t n = 0; n < tile.columns; ++n) {
          turned[n * tile.rows + k] = tile.floats[k * tile.columns + n];
        }
      }
    }
    const std::uint64_t first = (repack_.transposed ? tile.first_row : tile.first_column) *
                                static_cast<std::uint64_t>(repack_.k);
    if (repack_.type == ElementType::kFloat) {
      return context_.sink.Write(0, first * sizeof(float), AsBytes(turned));
    }
    std::vector<std::uint16_t> halves(turned.size());
    ONNXQUANT_RETURN_IF_ERROR(context_.account->Add(
        Narrow(turned, repack_.type, context_.account->overflow(), absl::MakeSpan(halves))));
    return context_.sink.Write(0, first * sizeof(std::uint16_t), AsBytes(halves));
  }

 private:
  Repack repack_;
  CodecContext context_;
};

}  // namespace

std::unique_ptr<Codec> MakeRepackCodec(const Repack& repack, const CodecContext& context) {
  if (repack.bits == 0) return std::make_unique<FloatsRepacker>(repack, context);
  return std::make_unique<CodesRepacker>(repack, context);
}

}  // namespace onnxquant
