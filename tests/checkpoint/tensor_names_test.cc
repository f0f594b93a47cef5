#include "lib/checkpoint/tensor_names.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(TensorNames, LayersCountMost) {
  const std::string name = "blk.3.attn_q.weight";
  EXPECT_GT(LikenessOf(name, "model.layers.3.attn.q_proj.MatMul.weight"),
            LikenessOf(name, "model.layers.4.attn.q_proj.MatMul.weight"));
  EXPECT_GT(LikenessOf(name, "model.layers.3.attn.q_proj.MatMul.weight"),
            LikenessOf(name, "model.layers.3.attn.k_proj.MatMul.weight"));
}

TEST(TensorNames, FrequenciesAndIntegersAreNotTrained) {
  CheckpointTensor tensor;
  tensor.name = "model.rotary_emb.inv_freq";
  tensor.stored = TypeOfSafetensors("F32");
  EXPECT_FALSE(IsTrained(tensor));
  tensor.name = "lm_head.weight";
  EXPECT_TRUE(IsTrained(tensor));
  EXPECT_TRUE(IsHead(tensor.name));
  tensor.stored = nullptr;
  tensor.type = "I64";
  EXPECT_FALSE(IsTrained(tensor));
  tensor.type = "IQ3_S";
  EXPECT_TRUE(IsTrained(tensor));
}

}  // namespace
}  // namespace onnxquant
