#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesVisionTest = RolesTest;

TEST_F(RolesVisionTest, AConvolutionThatCutsPatchesIsAConvStill) {
  Load(std::string(kRolesHead) + R"(g (float[1, 3, 32, 32] x) => (float[1, n, 8] y)
<float[8, 3, 8, 8] w, int64[3] rows = {1, 8, -1}> {
  [patches] a = Conv<kernel_shape = [8, 8], strides = [8, 8]>(x, w)
  b = Reshape(a, rows)
  y = Transpose<perm = [0, 2, 1]>(b)
})");
  EXPECT_EQ(At("patches").role, Role::kPatchEmbedding);
  EXPECT_TRUE(At("patches").Is(Role::kConv));
}

TEST_F(RolesVisionTest, WindowsThatOverlapAreNoPatches) {
  Load(std::string(kRolesHead) + R"(g (float[1, 3, 32, 32] x) => (float[1, n, 8] y)
<float[8, 3, 8, 8] w, int64[3] rows = {1, 8, -1}> {
  [conv] a = Conv<kernel_shape = [8, 8], strides = [4, 4]>(x, w)
  b = Reshape(a, rows)
  y = Transpose<perm = [0, 2, 1]>(b)
})");
  EXPECT_EQ(At("conv").role, Role::kConv);
}

TEST_F(RolesVisionTest, ALaterConvolutionCutsNoPatches) {
  Load(std::string(kRolesHead) + R"(g (float[1, 3, 32, 32] x) => (float[1, n, 8] y)
<float[3, 3, 1, 1] v, float[8, 3, 8, 8] w, int64[3] rows = {1, 8, -1}> {
  before = Conv(x, v)
  [conv] a = Conv<kernel_shape = [8, 8], strides = [8, 8]>(before, w)
  b = Reshape(a, rows)
  y = Transpose<perm = [0, 2, 1]>(b)
})");
  EXPECT_EQ(At("conv").role, Role::kConv);
}

}  // namespace
}  // namespace onnxquant
