#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesPerLayerTest = RolesTest;

TEST_F(RolesPerLayerTest, ATableOfWhichEveryLayerTakesAPartIsAnEmbeddingStill) {
  std::string text = std::string(kRolesHead) + R"(g (int64[b, s] ids) => (float[b, s, 8] x2)
<float[64, 8] table, float[64, 8] parts, float two, int64[4] split, int64 n0, int64 n1)";
  for (const char* name : {"wq", "wk", "wv", "wp"}) {
    for (const char* layer : {"0", "1"}) {
      text += std::string(name) == "wp" ? std::string(", float[4, 8] wp") + layer
                                        : std::string(", float[8, 8] ") + name + layer;
    }
  }
  text += R"(> {
  [table] x0 = Gather(table, ids)
  [parts] rows = Gather(parts, ids)
  [scale] scaled = Mul(rows, two)
  four = Reshape(scaled, split)
)";
  for (const int layer : {0, 1}) {
    const std::string n = std::to_string(layer);
    text += "q" + n + " = MatMul(x" + n + ", wq" + n + ")\nk" + n + " = MatMul(x" + n + ", wk" + n +
            ")\nv" + n + " = MatMul(x" + n + ", wv" + n + ")\nc" + n +
            " = com.microsoft.MultiHeadAttention<num_heads = 2>(q" + n + ", k" + n + ", v" + n +
            ")\ny" + n + " = Add(x" + n + ", c" + n + ")\npart" + n +
            " = Gather<axis = 2>(four, n" + n + ")\nm" + n + " = MatMul(part" + n + ", wp" + n +
            ")\nx" + std::to_string(layer + 1) + " = Add(y" + n + ", m" + n + ")\n";
  }
  Load(text + "}");
  EXPECT_EQ(roles_.layers, 2);
  EXPECT_EQ(At("table").role, Role::kEmbedding);
  EXPECT_EQ(At("parts").role, Role::kPerLayerEmbedding);
  EXPECT_EQ(At("scale").role, Role::kPerLayerEmbedding);
  EXPECT_TRUE(At("parts").Is(Role::kEmbedding));
}

}  // namespace
}  // namespace onnxquant
