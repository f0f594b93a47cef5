// Every codec of the table: what it stores does not depend on how the constant is cut into tiles,
// nor on their order.
#include <algorithm>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"

namespace onnxquant {
namespace {

// Keeps what it is given, and counts how often each byte was.
class Payloads : public TensorSink {
 public:
  explicit Payloads(const std::vector<StoredTensor>& tensors) {
    for (const StoredTensor& tensor : tensors) {
      const std::uint64_t bytes = *PackedBytes(tensor.type, tensor.dims);
      payloads_.emplace_back(bytes);
      written_.emplace_back(bytes, 0);
    }
  }
  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    const auto at = static_cast<std::size_t>(initializer);
    if (offset + bytes.size() > payloads_[at].size()) return InternalError("beyond the end");
    std::copy(bytes.begin(), bytes.end(),
              payloads_[at].begin() + static_cast<std::ptrdiff_t>(offset));
    for (std::size_t i = 0; i < bytes.size(); ++i) ++written_[at][offset + i];
    return absl::OkStatus();
  }
  bool EachOnce() const {
    return std::all_of(written_.begin(), written_.end(), [](const std::vector<int>& counts) {
      return std::all_of(counts.begin(), counts.end(), [](int count) { return count == 1; });
    });
  }
  const std::vector<std::vector<std::byte>>& payloads() const { return payloads_; }

 private:
  std::vector<std::vector<std::byte>> payloads_;
  std::vector<std::vector<int>> written_;
};

struct Matrix {
  std::uint64_t rows, columns;
  std::vector<float> values;
};

// With zeros, a row of nothing else, and both signs of them.
Matrix Random(std::uint64_t rows, std::uint64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix{rows, columns, std::vector<float>(rows * columns)};
  for (float& value : matrix.values) value = random() % 8 == 0 ? -0.0F : normal(random);
  std::fill_n(matrix.values.begin(), columns, 0.0F);
  return matrix;
}

std::vector<std::vector<std::byte>> Encode(const Stored& stored, const Matrix& matrix,
                                           std::uint64_t tile_rows, std::uint64_t tile_columns) {
  Payloads sink(stored.form->tensors(stored));
  std::vector<int> parts;
  for (std::size_t i = 0; i < sink.payloads().size(); ++i) parts.push_back(static_cast<int>(i));
  NarrowAccount account("initializer 'w'", stored.format.source, Overflow::kError);
  const std::unique_ptr<Codec> codec =
      stored.form->codec(stored, {PartSink(&sink, parts), &account});
  Tiling tiling;
  tiling.rows = matrix.rows;
  tiling.columns = matrix.columns;
  tiling.tile_rows = tile_rows;
  tiling.tile_columns = tile_columns;
  tiling.tile_bytes = 64;
  tiling.element_bytes = sizeof(float);
  codec->Begin(tiling);
  std::vector<std::vector<float>> floats;
  std::vector<Tile> tiles;
  for (std::uint64_t row = 0; row < matrix.rows; row += tile_rows) {
    for (std::uint64_t column = 0; column < matrix.columns; column += tile_columns) {
      Tile tile;
      tile.first_row = row;
      tile.rows = std::min(tile_rows, matrix.rows - row);
      tile.first_column = column;
      tile.columns = std::min(tile_columns, matrix.columns - column);
      std::vector<float>& own = floats.emplace_back();
      for (std::uint64_t i = 0; i < tile.rows; ++i) {
        const auto first = matrix.values.begin() +
                           static_cast<std::ptrdiff_t>((row + i) * matrix.columns + column);
        own.insert(own.end(), first, first + static_cast<std::ptrdiff_t>(tile.columns));
      }
      tiles.push_back(tile);
    }
  }
  for (std::size_t i = 0; i < tiles.size(); ++i) tiles[i].floats = floats[i];
  std::reverse(tiles.begin(), tiles.end());
  for (const Tile& tile : tiles) {
    EXPECT_TRUE(!codec->Observes() || codec->Observe(tile).ok());
  }
  for (const Tile& tile : tiles) EXPECT_TRUE(codec->Write(tile).ok());
  EXPECT_TRUE(codec->Finish().ok());
  EXPECT_TRUE(sink.EachOnce());
  return sink.payloads();
}

// A reading of each operator that the table knows, of a matrix or of filters.
WeightReading ReadingBy(absl::string_view op, bool transposed, std::int64_t rows,
                        std::int64_t columns) {
  static const onnx::NodeProto node;
  WeightReading reading;
  reading.node = &node;
  reading.op = std::string(op);
  reading.input = op == "Gather" ? 0 : 1;
  reading.transposed = transposed;
  reading.dims = {rows, columns};
  if (op == "Conv" || op == "ConvTranspose") reading.dims = {rows, columns / 3, 3};
  if (op == "Gather") reading.other_rank = 1;
  if (op == "LSTM" && !transposed) reading.dims = {rows % 2 == 0 ? 2 : 1, rows, columns};
  if (op == "LSTM") reading.dims[1] /= reading.dims[0];
  return reading;
}

// Every form of the table in all that its parameters may be.
std::vector<WeightFormat> FormatsOf(const FormatWord& word) {
  std::vector<WeightFormat> formats;
  for (const std::int64_t block : {16, 0}) {
    if (block == 0 && !Takes(word.word, Parameter::kPerChannel)) continue;
    for (const bool symmetric : {false, true}) {
      for (const bool per_channel : {false, true}) {
        WeightFormat format = *FormatOfWord(word.word);
        if (Takes(word.word, Parameter::kSymmetric)) format.symmetric = symmetric;
        format.block = block;
        format.per_channel = per_channel;
        formats.push_back(format);
      }
    }
  }
  return formats;
}

// Rows and columns that end with a byte of codes, and such as do not.
TEST(Codecs, GiveTheSameBytesHoweverTheConstantIsCut) {
  int cases = 0;
  for (const auto& [rows, columns] : {std::pair(70, 72), std::pair(75, 33)}) {
    const Matrix matrix =
        Random(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), 7);
    for (const Format* form : Formats()) {
      for (const FormatWord& word : form->words) {
        for (const absl::string_view op : form->operators) {
          for (const bool transposed : {false, true}) {
            for (const ElementType compute : {ElementType::kFloat, ElementType::kFloat16}) {
              for (const WeightFormat& format : FormatsOf(word)) {
                WeightReading reading = ReadingBy(op, transposed, rows, columns);
                reading.compute = reading.scale = compute;
                const FormatFit fit = form->fits(*form, format, reading);
                if (!fit.ok()) continue;
                ++cases;
                const auto whole = Encode(fit.stored, matrix, matrix.rows, matrix.columns);
                Payloads sink(form->tensors(fit.stored));
                const std::unique_ptr<Codec> codec =
                    form->codec(fit.stored, {PartSink(&sink, {0, 1, 2}), nullptr});
                const Cut cut = codec->Wanted();
                EXPECT_EQ(cut.rows, matrix.rows) << form->name;
                EXPECT_EQ(cut.columns, matrix.columns) << form->name;
                const std::uint64_t some = std::min(cut.row_multiple, matrix.rows);
                const std::uint64_t part = std::min(cut.column_multiple, matrix.columns);
                const std::string what = absl::StrCat(form->name, " ", op, " ", ToString(format));
                EXPECT_EQ(Encode(fit.stored, matrix, some, matrix.columns), whole) << what;
                EXPECT_EQ(Encode(fit.stored, matrix, some, part), whole) << what;
                EXPECT_EQ(Encode(fit.stored, matrix, matrix.rows, part), whole) << what;
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(cases, 400);
}

TEST(Codecs, RefuseWhatTheirScalesCannotCarry) {
  const FormatFit fit =
      FindFit(*FormatOfWord("dynamic_int8"), ReadingBy("MatMul", false, 2, 2), false);
  ASSERT_TRUE(fit.ok()) << fit.reason;
  Payloads sink(fit.stored.form->tensors(fit.stored));
  NarrowAccount account("initializer 'w'", ElementType::kFloat, Overflow::kError);
  const auto codec = fit.stored.form->codec(fit.stored, {PartSink(&sink, {0, 1, 2}), &account});
  Tiling tiling;
  tiling.rows = tiling.columns = tiling.tile_rows = tiling.tile_columns = 2;
  codec->Begin(tiling);
  const std::vector<float> values = {1, 2, std::numeric_limits<float>::quiet_NaN(), 3};
  Tile tile;
  tile.rows = tile.columns = 2;
  tile.floats = values;
  ASSERT_TRUE(codec->Observe(tile).ok());
  EXPECT_THAT(std::string(codec->Write(tile).message()),
              ::testing::HasSubstr("initializer 'w': its values range from"));
}

}  // namespace
}  // namespace onnxquant
