#include "lib/policy/plan_coded_readers.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/policy/plan_nodes.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PlanCodedReadersTest : public StageTest {
 protected:
  // What the nodes that are decided make, of a table and a product in blocks with this scale.
  std::vector<std::string> Decide(float scale, const std::string& rules) {
    onnx::ModelProto proto = ParseModel(
        std::string(kHeader) + R"(g (int64[2] i, float[2, 16] x) => (float[2, 32] y, float[2, 1] z)
<int8[8, 32] w, float[8, 1] r, int8[16, 1] v, float[1, 1] s> {
  f = DequantizeLinear<axis = 1, block_size = 32>(w, r)
  [table] y = Gather(f, i)
  g = DequantizeLinear<axis = 0, block_size = 16>(v, s)
  [product] z = MatMul(x, g)
})");
    for (onnx::TensorProto& tensor : *proto.mutable_graph()->mutable_initializer()) {
      const std::size_t bytes = tensor.data_type() == onnx::TensorProto::FLOAT ? sizeof(float) : 1;
      tensor.clear_int32_data();
      tensor.clear_float_data();
      tensor.set_raw_data(
          std::string(static_cast<std::size_t>(tensor.dims(0) * tensor.dims(1)) * bytes, '\0'));
      if (tensor.name() == "s")
        std::memcpy(tensor.mutable_raw_data()->data(), &scale, sizeof(scale));
    }
    LoadProto(proto, rules);
    auto model = Model::FromProto(std::move(proto), origin_);
    EXPECT_TRUE(model.ok()) << model.status();
    if (!model.ok()) return {};
    // Of the model that has the payloads.
    auto analysis = Analyze(model->proto(), origin_);
    EXPECT_TRUE(analysis.ok()) << analysis.status();
    if (!analysis.ok()) return {};
    context_.reset();
    analysis_.emplace(*std::move(analysis));
    held_.emplace(*std::move(model));
    evidence_.model = &*held_;
    uses_.emplace(analysis_->weight_uses, analysis_->graph.nodes().size());
    context_.emplace(PlanContext{*analysis_, *uses_, policy_.outputs[0], evidence_, origin_,
                                 ElementType::kFloat16});
    ResolveNodes(*context_, *resolver_, plan_);
    auto decided = DecideCodedReaders(*context_, *resolver_, plan_);
    EXPECT_TRUE(decided.ok()) << decided.status();
    std::vector<std::string> made;
    if (!decided.ok()) return made;
    for (const NodeId id : *decided) {
      made.push_back(analysis_->graph.value(analysis_->graph.node(id).outputs[0]).name);
    }
    return made;
  }
  const NodePlan& At(const std::string& value) const { return plan_.nodes[NodeOf(value)]; }

 private:
  std::optional<Model> held_;
};

constexpr char kProducts[] = "  - {match: {op: MatMul}, weights: int8}\n";

TEST_F(PlanCodedReadersTest, RowsOfATableComeInTheTypeOfItsScales) {
  const std::string wide = "  - {match: {op: Gather}, compute: float32, weights: ";
  EXPECT_THAT(Decide(1, wide + "int8}\n"), ElementsAre("y"));
  EXPECT_EQ(At("y").compute, ElementType::kFloat16);
  EXPECT_THAT(Decide(1, wide + "float32}\n"), IsEmpty());
  EXPECT_EQ(At("y").compute, ElementType::kFloat);
}

TEST_F(PlanCodedReadersTest, WhatReadsScalesBeyondFloat16ComputesInFloat32) {
  EXPECT_THAT(Decide(65519, kProducts), IsEmpty());
  EXPECT_EQ(At("z").compute, ElementType::kFloat16);
  EXPECT_THAT(Decide(-70000, kProducts), ElementsAre("z"));
  EXPECT_EQ(At("z").compute, ElementType::kFloat);
  EXPECT_THAT(At("z").why.back().ToString(), HasSubstr("scales, which go to 70000"));
}

TEST_F(PlanCodedReadersTest, NotWhereARuleNamesItOrSaysWhatBecomesOfSuchNumbers) {
  EXPECT_THAT(Decide(70000, "  - {match: {name: product}, weights: int8}\n"), IsEmpty());
  EXPECT_EQ(At("z").compute, ElementType::kFloat16);
  EXPECT_THAT(
      Decide(70000, "  - {match: {op: MatMul}, weights: int8, constants: {overflow: clamp}}\n"),
      IsEmpty());
  EXPECT_THAT(Decide(70000, ""), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
