#include "lib/formats/repack.h"

#include <cstring>

#include "gmock/gmock.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

class OneTensor : public TensorSink {
 public:
  explicit OneTensor(std::size_t bytes) : bytes_(bytes, 0xEE) {}
  absl::Status Write(int /*initializer*/, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    if (offset + bytes.size() > bytes_.size()) return InternalError("beyond the end");
    std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// Hands the source over in tiles of so many of its rows, or columns in bytes, the last one first.
std::vector<std::uint8_t> Repacked(const Repack& repack, std::size_t bytes,
                                   const std::vector<std::uint8_t>& source, std::uint64_t at_once) {
  OneTensor tensor(bytes);
  NarrowAccount account("w", repack.type, Overflow::kError);
  const auto codec = MakeRepackCodec(repack, {PartSink(&tensor, {0}), &account});
  const Cut cut = codec->Wanted();
  Tiling tiling;
  tiling.rows = cut.rows == 0 ? source.size() : cut.rows;
  tiling.columns = cut.columns;
  codec->Begin(tiling);
  const bool by_columns = cut.row_multiple > 1;
  const std::uint64_t all = by_columns ? tiling.columns : tiling.rows;
  for (std::uint64_t left = (all + at_once - 1) / at_once; left-- > 0;) {
    Tile tile;
    tile.rows = by_columns ? tiling.rows : std::min(at_once, all - left * at_once);
    tile.columns = by_columns ? std::min(at_once, all - left * at_once) : tiling.columns;
    (by_columns ? tile.first_column : tile.first_row) = left * at_once;
    std::vector<std::byte> own;
    for (std::uint64_t row = 0; row < tile.rows; ++row) {
      for (std::uint64_t column = 0; column < tile.columns; ++column) {
        own.push_back(std::byte{
            source[(tile.first_row + row) * tiling.columns + tile.first_column + column]});
      }
    }
    tile.bytes = own;
    EXPECT_TRUE(codec->Write(tile).ok());
  }
  EXPECT_TRUE(codec->Finish().ok());
  return tensor.bytes();
}

constexpr std::uint64_t kSizes[] = {1, 2, 100};

TEST(Repack, ColumnsBecomeRowsAndSignedCodesUnsigned) {
  // Rows of four codes: 0 1 2 3 / -8 -7 7 -1 / 4 4 4 5.
  const std::vector<std::uint8_t> source = {0x10, 0x32, 0x98, 0xF7, 0x44, 0x54};
  Repack repack{.bits = 4, .is_signed = true, .k = 3, .n = 4, .row_bytes = 3};
  for (const std::uint64_t at_once : kSizes) {
    EXPECT_THAT(Repacked(repack, 12, source, at_once),
                ElementsAre(0x08, 0x0C, 0, 0x19, 0x0C, 0, 0xFA, 0x0C, 0, 0x7B, 0x0D, 0));
  }
}

TEST(Repack, RowsStayRowsAndGetTheRoomOfWholeBlocks) {
  const std::vector<std::uint8_t> source = {0x10, 0x32, 0x98, 0xF7};
  Repack repack{.bits = 4, .k = 4, .n = 2, .transposed = true, .row_bytes = 3};
  for (const std::uint64_t at_once : kSizes) {
    EXPECT_THAT(Repacked(repack, 6, source, at_once), ElementsAre(0x10, 0x32, 0, 0x98, 0xF7, 0));
  }
}

TEST(Repack, BytesTurnTheirSign) {
  Repack repack{.bits = 8, .is_signed = true, .k = 2, .n = 2, .row_bytes = 2};
  for (const std::uint64_t at_once : kSizes) {
    EXPECT_THAT(Repacked(repack, 4, {0x80, 0x7F, 0x00, 0xFF}, at_once),
                ElementsAre(0x00, 0x80, 0xFF, 0x7F));
  }
}

TEST(Repack, RowsThatEndWithinAByteAreTakenApart) {
  // Two rows of three: 1 2 3 / 4 5 6.
  Repack repack{.bits = 4, .k = 3, .n = 2, .transposed = true, .row_bytes = 2};
  for (const std::uint64_t at_once : kSizes) {
    EXPECT_THAT(Repacked(repack, 4, {0x21, 0x43, 0x65}, at_once),
                ElementsAre(0x21, 0x03, 0x54, 0x06));
  }
  Repack turned{.bits = 4, .is_signed = true, .k = 2, .n = 3, .row_bytes = 1};
  for (const std::uint64_t at_once : kSizes) {
    EXPECT_THAT(Repacked(turned, 3, {0x21, 0x43, 0x65}, at_once), ElementsAre(0xC9, 0xDA, 0xEB));
  }
}

TEST(Repack, FloatsAreTurnedAndRounded) {
  OneTensor tensor(8);
  NarrowAccount account("s", ElementType::kFloat16, Overflow::kError);
  const Repack repack{.k = 2, .n = 2, .type = ElementType::kFloat16};
  const auto codec = MakeRepackCodec(repack, {PartSink(&tensor, {0}), &account});
  Tile tile;
  tile.rows = 2;
  tile.columns = 2;
  std::vector<float> floats = {1, 2, -1, 0.5F};
  tile.floats = floats;
  ASSERT_TRUE(codec->Write(tile).ok());
  EXPECT_THAT(tensor.bytes(), ElementsAre(0, 0x3C, 0, 0xBC, 0, 0x40, 0, 0x38));
  floats[0] = 1e6F;
  EXPECT_FALSE(codec->Write(tile).ok());
}

}  // namespace
}  // namespace onnxquant
