// Every codec of the table: what it stores does not depend on how the constant is cut into tiles,
// nor on their order.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/formats/node_proto.h"
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

// With zeros, a row of nothing else, both signs of them, and a row of numbers that no scale of
// float16 stands for.
Matrix Random(std::uint64_t rows, std::uint64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix{rows, columns, std::vector<float>(rows * columns)};
  for (float& value : matrix.values) value = random() % 8 == 0 ? -0.0F : normal(random);
  std::fill_n(matrix.values.begin(), columns, 0.0F);
  if (rows > 2) {
    for (std::uint64_t i = 0; i < columns; ++i) matrix.values[2 * columns + i] *= 1e-12F;
  }
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

// What a row of the table may be asked of `elements` numbers, whatever its operator: each slot, and
// each of some shapes.
std::vector<WeightReading> ReadingsBy(absl::string_view op, std::int64_t rows,
                                      std::int64_t columns) {
  static const std::vector<onnx::NodeProto> nodes = [] {
    std::vector<onnx::NodeProto> both(2, MakeNode("Reader", "reader", {"a", "b", "c"}, {"y"}));
    onnx::AttributeProto& equation = *both[1].add_attribute();
    equation.set_name("equation");
    equation.set_s("ik,kn->in");
    return both;
  }();
  std::vector<std::vector<std::int64_t>> shapes = {
      {rows, columns}, {1, rows, columns}, {rows, columns, 1}};
  if (rows % 2 == 0) shapes.push_back({2, rows / 2, columns});
  if (columns % 3 == 0) shapes.push_back({rows, columns / 3, 3});
  std::vector<WeightReading> readings;
  for (int input = 0; input < 5; ++input) {
    for (const std::vector<std::int64_t>& dims : shapes) {
      if (op == "Gemm" && dims.size() != 2) continue;
      for (const bool transposed : {false, true}) {
        if (transposed && dims.size() != 2) continue;
        for (const onnx::NodeProto& node : nodes) {
          WeightReading reading;
          reading.node = &node;
          reading.op = std::string(op);
          reading.input = input;
          reading.dims = dims;
          reading.transposed = transposed;
          reading.other_rank = op == "Gather" ? 1 : 3;
          readings.push_back(std::move(reading));
        }
      }
    }
  }
  return readings;
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

// The forms that a row gives to matrices of so many numbers, each once.
std::vector<Stored> FormsOf(const Format& form, const FormatWord& word, absl::string_view op,
                            std::int64_t rows, std::int64_t columns) {
  std::vector<Stored> forms;
  for (WeightReading& reading : ReadingsBy(op, rows, columns)) {
    for (const ElementType compute : {ElementType::kFloat, ElementType::kFloat16}) {
      reading.compute = reading.scale = compute;
      for (const WeightFormat& format : FormatsOf(word)) {
        const FormatFit fit = form.fits(form, format, reading);
        if (!fit.ok() || std::find(forms.begin(), forms.end(), fit.stored) != forms.end()) continue;
        forms.push_back(fit.stored);
      }
    }
  }
  return forms;
}

Cut WantedBy(const Stored& stored) {
  Payloads sink(stored.form->tensors(stored));
  return stored.form->codec(stored, {PartSink(&sink, {0, 1, 2}), nullptr})->Wanted();
}

void ExpectTheSameBytesHoweverCut(const Stored& stored, std::int64_t elements,
                                  const std::string& what) {
  const Cut cut = WantedBy(stored);
  ASSERT_EQ(cut.rows * cut.columns, static_cast<std::uint64_t>(elements)) << what;
  const Matrix matrix = Random(cut.rows, cut.columns, 7);
  const auto whole = Encode(stored, matrix, matrix.rows, matrix.columns);
  const std::uint64_t some = std::min(cut.row_multiple, matrix.rows);
  const std::uint64_t part = std::min(cut.column_multiple, matrix.columns);
  EXPECT_EQ(Encode(stored, matrix, some, matrix.columns), whole) << what;
  EXPECT_EQ(Encode(stored, matrix, some, part), whole) << what;
  EXPECT_EQ(Encode(stored, matrix, matrix.rows, part), whole) << what;
}

// Rows and columns that end with a byte of codes, such as do not, and such as end with a block.
constexpr std::pair<std::int64_t, std::int64_t> kSizes[] = {{34, 72}, {35, 33}, {6, 96}, {9, 1}};

// How many forms there were.
std::size_t ExpectTheSameBytesHoweverCut(const Format& form, const FormatWord& word,
                                         absl::string_view op) {
  std::size_t cases = 0;
  for (const auto& [rows, columns] : kSizes) {
    for (const Stored& stored : FormsOf(form, word, op, rows, columns)) {
      ++cases;
      ExpectTheSameBytesHoweverCut(stored, rows * columns,
                                   absl::StrCat(form.name, " ", op, " ", ToString(stored.format)));
    }
  }
  return cases;
}

// A row that fits none of the readings is to be given others.
TEST(Codecs, GiveTheSameBytesHoweverTheConstantIsCut) {
  for (const Format* form : Formats()) {
    std::map<absl::string_view, std::size_t> cases;
    for (const FormatWord& word : form->words) {
      for (const absl::string_view op : form->operators) {
        const std::size_t of_both = ExpectTheSameBytesHoweverCut(*form, word, op);
        cases[word.word] += of_both;
        cases[op] += of_both;
      }
    }
    for (const auto& [what, count] : cases) EXPECT_GT(count, 0U) << form->name << " " << what;
  }
}

WeightReading Product() {
  for (const WeightReading& reading : ReadingsBy("MatMul", 2, 2)) {
    if (reading.input == 1 && reading.dims.size() == 2 && !reading.transposed) return reading;
  }
  return {};
}

TEST(Codecs, RefuseWhatTheirScalesCannotCarry) {
  const FormatFit fit = FindFit(*FormatOfWord("dynamic_int8"), Product(), false);
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
