// How a constant's numbers become the bytes of its stored tensors, tile by tile.
#ifndef ONNXQUANT_LIB_FORMATS_CODEC_H_
#define ONNXQUANT_LIB_FORMATS_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/formats/narrow.h"
#include "lib/methods/choose.h"

namespace onnxquant {

// Takes the bytes of an output's initializers. Called from several threads, never twice for the
// same byte.
class TensorSink {
 public:
  virtual ~TensorSink() = default;
  virtual absl::Status Write(int initializer, std::uint64_t offset,
                             absl::Span<const std::byte> bytes) = 0;
};

// The tensors of one stored form within a sink: part i is the i-th of Format::tensors.
class PartSink {
 public:
  // Of parts that are stored nowhere the number is negative. `first_bytes`: what lies beyond these
  // of a tensor is left out; 0: nothing is.
  PartSink(TensorSink* sink, std::vector<int> initializers, std::uint64_t first_bytes = 0)
      : sink_(sink), initializers_(std::move(initializers)), first_bytes_(first_bytes) {}

  absl::Status Write(std::size_t part, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) const {
    if (initializers_[part] < 0) return absl::OkStatus();
    if (first_bytes_ > 0) {
      if (offset >= first_bytes_) return absl::OkStatus();
      bytes = bytes.subspan(0, first_bytes_ - offset);
    }
    return sink_->Write(initializers_[part], offset, bytes);
  }

 private:
  TensorSink* sink_;
  std::vector<int> initializers_;
  std::uint64_t first_bytes_;
};

// A rectangle of a constant that is seen as rows and columns.
struct Tile {
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::uint64_t first_column = 0;
  std::uint64_t columns = 0;
  absl::Span<const std::byte> bytes;  // row after row, as they stand in the source
  absl::Span<const float> floats;     // the same as float32, where it is a float type
};

// How a codec wants its constant to be cut.
struct Cut {
  // The constant as a matrix, row-major; no rows: a list of elements, cut anywhere.
  std::uint64_t rows = 0;
  std::uint64_t columns = 1;
  // Tiles begin at multiples of these.
  std::uint64_t row_multiple = 1;
  std::uint64_t column_multiple = 1;
};

// How it was cut.
struct Tiling {
  std::uint64_t rows = 1;
  std::uint64_t columns = 1;
  std::uint64_t tile_rows = 1;
  std::uint64_t tile_columns = 1;
  std::uint64_t tile_bytes = 1;     // wanted for a tile of the source
  std::uint64_t element_bytes = 1;  // of the source

  bool HoldsAllRows() const { return tile_rows >= rows; }
  bool HoldsAllColumns() const { return tile_columns >= columns; }
};

// One constant on its way into one stored form of one output. After Begin, tiles arrive in any
// order, from any thread: each once in Observe, where the codec asks for that, and when all have
// been there, each once in Write; then Finish is called once.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual Cut Wanted() const { return {}; }
  virtual void Begin(const Tiling& tiling) { tiling_ = tiling; }
  // Whether codes depend on what is known only when all of the constant has been seen.
  virtual bool Observes() const { return false; }
  virtual absl::Status Observe(const Tile& /*tile*/) { return absl::OkStatus(); }
  virtual absl::Status Write(const Tile& tile) = 0;
  virtual absl::Status Finish() { return absl::OkStatus(); }
  // Whether it takes Tile::bytes alone.
  virtual bool Copies() const { return false; }

 protected:
  const Tiling& tiling() const { return tiling_; }

 private:
  Tiling tiling_;
};

// Elements of a tile, in whatever type, to their places in a tensor of the constant's shape.
absl::Status WriteElements(const PartSink& sink, const Tiling& tiling, const Tile& tile,
                           std::uint64_t element_bytes, absl::Span<const std::byte> bytes);

// Whether none is infinite or NaN.
bool AllFinite(absl::Span<const float> numbers);

// Refuses scales beyond float32: values of a block that lie further apart than its largest number.
absl::Status CheckFloatScales(absl::Span<const float> scales, const std::string& what);

// Refuses scales beyond float16, which are infinite there: a block of a float32 weight can ask for
// one. It stands for `steps` steps from zero on; `what` names the constant.
absl::Status CheckHalfScales(absl::Span<const std::uint16_t> scales, int steps,
                             const std::string& what);

// What every codec is made with.
struct CodecContext {
  PartSink sink;
  NarrowAccount* account = nullptr;  // for numbers that are rounded on the way
  // Of forms that take a method: which, and where its statistics are.
  methods::Choice choice = {};
  methods::FactorSource* factors = nullptr;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_CODEC_H_
