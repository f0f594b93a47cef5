#include "lib/policy/take_lattice.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "tests/policy/lattice_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// What becomes of the weight, and the last reason.
struct Planned {
  WeightCopy copy;
  std::string why;
};

Planned PlanOf(onnx::ModelProto proto, const std::string& weights,
               const std::string& compute = "float32") {
  const auto model = Model::FromProto(std::move(proto), "m.onnx");
  EXPECT_TRUE(model.ok()) << model.status();
  const auto analysis = Analyze(model->proto(), "m.onnx");
  const auto policy = ParsePolicy("policy: 1\nname: p\noutputs:\n  q4: {compute: " + compute +
                                      ", weights: " + weights + ", io: float32, method: lattice}\n",
                                  "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  Evidence evidence;
  evidence.model = &*model;
  const auto plans = MakePlans(*analysis, *policy, {}, "m.onnx", evidence);
  EXPECT_TRUE(plans.ok()) << plans.status();
  const WeightCopy& copy = (*plans)[0].weights.at(0).copies.at(0);
  return {copy, copy.why.back().ToString()};
}

TEST(TakeLattice, StoresAWeightOnItsGridInTheFewestBits) {
  const Planned planned = PlanOf(ModelWithCodes(8, 0.5F), "int8");
  EXPECT_EQ(planned.copy.choice.method, methods::Method::kLattice);
  EXPECT_EQ(planned.copy.format.word, "int4");
  EXPECT_EQ(planned.why,
            "its grid (4 bits in blocks of 32, symmetric, float16 scales) sets weights: int4 block "
            "32 symmetric, without loss");
  EXPECT_EQ(PlanOf(ModelWithCodes(16, 0.5F), "{format: int8, block: 128}").copy.format.block, 32);
  EXPECT_EQ(PlanOf(ModelWithCodes(16, 0.5F), "{format: int8, block: 16, symmetric: false}").why,
            "its grid (5 bits in blocks of 32, symmetric, float16 scales) sets weights: int8 block "
            "16 symmetric, without loss");
}

TEST(TakeLattice, SaysWhyAWeightIsSearched) {
  const Planned narrow = PlanOf(ModelWithCodes(16, 0.5F), "int4");
  EXPECT_EQ(narrow.copy.choice.method, methods::Method::kSearch);
  EXPECT_EQ(narrow.copy.format.word, "int4");
  EXPECT_THAT(narrow.why, HasSubstr("which int4 does not hold, sets method: search"));
  onnx::ModelProto damaged = ModelWithCodes(8, 0.5F);
  damaged.mutable_graph()->mutable_initializer(0)->set_float_data(64, 0.123456F);
  EXPECT_THAT(PlanOf(damaged, "int4").why, HasSubstr("on which not every block lies, sets"));
  onnx::ModelProto none = ModelWithCodes(8, 0.5F);
  auto& values = *none.mutable_graph()->mutable_initializer(0)->mutable_float_data();
  std::mt19937 random(2);
  for (float& value : values) value = std::normal_distribution<float>(0, 1)(random);
  EXPECT_EQ(PlanOf(none, "int4").why, "the lack of a grid sets method: search");
}

TEST(TakeLattice, SaysThatFloat16RoundsScalesThatItDoesNotHold) {
  EXPECT_THAT(PlanOf(ModelWithCodes(8, 0.5F), "int4", "float16").why, HasSubstr("without loss"));
  EXPECT_THAT(PlanOf(ModelWithCodes(8, 0.1F), "int4", "float16").why,
              HasSubstr("with the same codes and scales rounded to float16"));
  EXPECT_THAT(PlanOf(ModelWithCodes(8, 1e-6F), "int4", "float16").why,
              HasSubstr("whose scales float16 does not hold, sets method: search"));
}

TEST(TakeLattice, DoesNotTakeBlocksThatLieAcross) {
  onnx::ModelProto model = ModelWithCodes(8, 0.5F);
  // The same numbers, read by a table of rows.
  *model.mutable_graph()->mutable_node(0) = onnx::NodeProto();
  onnx::NodeProto& node = *model.mutable_graph()->mutable_node(0);
  node.set_op_type("MatMul");
  node.add_input("x");
  node.add_input("turned");
  node.add_output("y");
  onnx::NodeProto turns;
  turns.set_op_type("Transpose");
  turns.add_input("w");
  turns.add_output("turned");
  auto& perm = *turns.add_attribute();
  perm.set_name("perm");
  perm.set_type(onnx::AttributeProto::INTS);
  perm.add_ints(1);
  perm.add_ints(0);
  model.mutable_graph()->mutable_node()->Add()->Swap(&turns);
  model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  auto* input = model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  input->mutable_shape()->mutable_dim(1)->set_dim_value(64);
  auto* output = model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type();
  output->mutable_shape()->mutable_dim(1)->set_dim_value(128);
  EXPECT_THAT(PlanOf(model, "int4").why, HasSubstr("lie across those of the format"));
}

}  // namespace
}  // namespace onnxquant
