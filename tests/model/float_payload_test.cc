#include "lib/model/float_payload.h"

#include <cstdint>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<std::byte> Bytes(const std::vector<T>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(T));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

TEST(FloatPayload, ReadsEveryFloatTypeAtAnyAddress) {
  std::vector<std::byte> bytes = Bytes(std::vector<std::uint16_t>{0x3c00, 0xc000});
  bytes.insert(bytes.begin(), std::byte{0});  // to an odd address
  const absl::Span<const std::byte> payload = absl::MakeConstSpan(bytes).subspan(1);
  EXPECT_THAT(FloatsOfPayload(payload, ElementType::kFloat16), ElementsAre(1.0F, -2.0F));
  EXPECT_THAT(FloatsOfPayload(Bytes(std::vector<std::uint16_t>{0x3f80}), ElementType::kBFloat16),
              ElementsAre(1.0F));
  EXPECT_THAT(FloatsOfPayload(Bytes(std::vector<float>{2.5F}), ElementType::kFloat),
              ElementsAre(2.5F));
  EXPECT_THAT(FloatsOfPayload(Bytes(std::vector<double>{2.5}), ElementType::kDouble),
              ElementsAre(2.5F));
}

TEST(FloatPayload, TellsWhatOfFloat64DoesNotFit) {
  kernels::NarrowStats stats;
  FloatsOfPayload(Bytes(std::vector<double>{1e300}), ElementType::kDouble, DoubleRounding::kNearest,
                  kernels::OverflowMode::kClamp, &stats);
  EXPECT_EQ(stats.overflowed, 1U);
}

TEST(FloatPayload, GivesNothingForWhatIsNoFloat) {
  EXPECT_TRUE(FloatsOfPayload(Bytes(std::vector<float>{1}), ElementType::kInt32).empty());
}

}  // namespace
}  // namespace onnxquant
