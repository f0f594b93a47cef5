#include "lib/inspect/diff_facts.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inspect/small_decoder.h"

namespace onnxquant {
namespace {

using ::testing::IsEmpty;

ModelFacts Facts(const onnx::ModelProto& model) {
  const auto analysis = Analyze(model, "m.onnx");
  EXPECT_TRUE(analysis.ok()) << analysis.status();
  return analysis.ok() ? FactsOf(*analysis) : ModelFacts();
}

ModelFacts Facts(const DecoderForm& form) {
  return Facts(SmallDecoder(form));
}

TEST(DiffFactsTest, CountsNodesByRoleAndType) {
  const ModelFacts facts = Facts(DecoderForm());
  EXPECT_EQ(facts.sums, (Counts{{"float32", 2}}));
  EXPECT_EQ(facts.norms, (Counts{{"float32", 3}}));
  EXPECT_THAT(facts.mixed_norms, IsEmpty());
  EXPECT_THAT(facts.narrowed_sums, IsEmpty());
  EXPECT_EQ(facts.clipped_sums, 0);
  EXPECT_EQ(facts.arithmetic.at(Role::kQProj), (Counts{{"float32", 1}}));
  EXPECT_EQ(facts.stored.at(Role::kEmbedding), (Counts{{"float32", 1}}));
  EXPECT_EQ(facts.stored.at(Role::kLmHead), (Counts{{"float32", 1}}));
  EXPECT_EQ(facts.stored.count(Role::kNorm), 0U);
}

TEST(DiffFactsTest, SeesHalvesAndNormsWithAScaleOfAnotherType) {
  const ModelFacts facts = Facts(DecoderForm{.type = "float16"});
  EXPECT_EQ(facts.sums, (Counts{{"float16", 2}}));
  ASSERT_EQ(facts.mixed_norms.size(), 3U);
  EXPECT_FALSE(facts.mixed_norms[0].final);
  EXPECT_TRUE(facts.mixed_norms[2].final);
  EXPECT_EQ(facts.mixed_norms[2].node, "final");
  EXPECT_EQ(facts.mixed_norms[2].input, "float16");
  EXPECT_EQ(facts.mixed_norms[2].scale, "float32");
  EXPECT_THAT(Facts(DecoderForm{.type = "float16", .scale = "float16"}).mixed_norms, IsEmpty());
}

TEST(DiffFactsTest, SeesSumsThatAreRoundedOnTheirWay) {
  const ModelFacts facts =
      Facts(DecoderForm{.between = "[down_] h16 = Cast<to = 10>(s)\n [up_] t = Cast<to = 1>(h16)"});
  EXPECT_EQ(facts.sums, (Counts{{"float32", 2}}));
  EXPECT_EQ(facts.narrowed_sums, (Counts{{"float16", 1}}));
}

TEST(DiffFactsTest, CountsSumsThatAreClipped) {
  const ModelFacts facts = Facts(DecoderForm{.between = "low = Constant<value_float = -9.0>()\n"
                                                        "high = Constant<value_float = 9.0>()\n"
                                                        "t = Clip(s, low, high)"});
  EXPECT_EQ(facts.clipped_sums, 1);
  EXPECT_THAT(facts.narrowed_sums, IsEmpty());
}

TEST(DiffFactsTest, SaysHowBlocksOfBitsAreStored) {
  onnx::ModelProto model = SmallDecoder({});
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    if (node.name() != "up") continue;
    node.set_op_type("MatMulNBits");
    node.set_domain("com.microsoft");
    for (const auto& [name, value] : {std::pair{"bits", 4}, {"block_size", 16}}) {
      onnx::AttributeProto* attribute = node.add_attribute();
      attribute->set_name(name);
      attribute->set_type(onnx::AttributeProto::INT);
      attribute->set_i(value);
    }
  }
  EXPECT_EQ(Facts(model).stored.at(Role::kUpProj), (Counts{{"4-bit blocks of 16", 1}}));
}

}  // namespace
}  // namespace onnxquant
