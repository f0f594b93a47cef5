#include "lib/rewrite/repacked_weights.h"

#include "gmock/gmock.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

using RepackedWeightsTest = RewriteFixture;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 16] x) => (float[2, 2] y)
<int8[16, 2] w = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
                  1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8},
 float[1, 2] s = {1, 2}, int8[1, 2] z = {3, 4}> {
  f = DequantizeLinear<axis = 0, block_size = 16>(w, s, z)
  y = MatMul(x, f)
})";

TEST_F(RepackedWeightsTest, TheReaderOfCodesTakesThePlaceOfWhatMadeFloats) {
  Load(kModel);
  const Rewritten rewritten =
      Run("outputs:\n  q8: {compute: float16, weights: int8, io: float16}\n");
  EXPECT_THAT(Lines(rewritten), ElementsAre("MatMulNBits(x, w_Q8, w_scales, w_zero_points) -> y"));
  EXPECT_EQ(rewritten.casts, 0);
  EXPECT_EQ(rewritten.float32_values, 0);
  EXPECT_EQ(rewritten.half_values, 2);
  EXPECT_EQ(rewritten.jobs.size(), 3U);
  EXPECT_EQ(rewritten.model.graph().initializer_size(), 3);
  EXPECT_EQ(InitializerTypes(rewritten)["w_scales"], onnx::TensorProto::FLOAT16);
}

TEST_F(RepackedWeightsTest, WithoutSuchAPolicyTheCodesStay) {
  Load(kModel);
  const Rewritten rewritten =
      Run("outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n");
  EXPECT_THAT(Lines(rewritten), ElementsAre("DequantizeLinear(w, s, z) -> f", "MatMul(x, f) -> y"));
}

}  // namespace
}  // namespace onnxquant
