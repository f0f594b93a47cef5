#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesPositionsTest = RolesTest;

TEST_F(RolesPositionsTest, ATableThatIsReadByAnInputNamedSoIsOneOfPositionsAndAnEmbeddingStill) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] input_ids, int64[b, s] position_ids) => (float[b, s, 8] y)
<float[64, 8] words, float[32, 8] places> {
  [words] a = Gather(words, input_ids)
  [places] b = Gather(places, position_ids)
  y = Add(a, b)
})");
  EXPECT_EQ(At("words").role, Role::kEmbedding);
  EXPECT_EQ(At("places").role, Role::kPosition);
  EXPECT_TRUE(At("places").Is(Role::kEmbedding));
  EXPECT_EQ(ValueRole("position_ids"), Role::kPosition);
  EXPECT_EQ(ValueRole("input_ids"), Role::kNone);
}

TEST_F(RolesPositionsTest, ACountAlongAShapeIsOneOfPositions) {
  Load(std::string(kRolesHead) + R"(g (int64[b, s] ids) => (float[b, s, 8] y)
<float[64, 8] words, float[32, 8] places, int64 zero = {0}, int64 one = {1}> {
  [words] a = Gather(words, ids)
  shape = Shape<start = 1, end = 2>(ids)
  length = Squeeze(shape)
  count = Range(zero, length, one)
  [places] b = Gather(places, count)
  y = Add(a, b)
})");
  EXPECT_EQ(At("words").role, Role::kEmbedding);
  EXPECT_EQ(At("places").role, Role::kPosition);
}

TEST_F(RolesPositionsTest, ATableThatIsAddedWholeIsOneOfPositionsAndABiasIsNot) {
  Load(std::string(kRolesHead) + R"(g (float[1, 17, 8] x) => (float[1, 17, 8] z)
<float[1, 17, 8] places, float[8] bias> {
  [places] y = Add(x, places)
  [bias] z = Add(y, bias)
})");
  EXPECT_EQ(At("places").role, Role::kPosition);
  EXPECT_EQ(At("bias").role, Role::kNone);
}

}  // namespace
}  // namespace onnxquant
