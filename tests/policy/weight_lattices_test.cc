#include "lib/policy/weight_lattices.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "tests/policy/lattice_model.h"

namespace onnxquant {
namespace {

bool Asks(const std::string& rule) {
  const auto policy = ParsePolicy(
      "policy: 1\nname: p\noutputs:\n  q4: {compute: float32, weights: int4, io: "
      "float32}\nrules:\n" +
          rule,
      "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return AsksForLattices(*policy);
}

TEST(WeightLattices, AreLookedForWhereAPolicyAsksForThem) {
  EXPECT_TRUE(Asks("  - {match: {op: MatMul}, method: lattice}\n"));
  EXPECT_TRUE(Asks("  - {match: {lattice: true}, weights: int8}\n"));
  EXPECT_FALSE(Asks("  - {match: {op: MatMul}, method: search}\n"));
}

TEST(WeightLattices, AreThoseOfWeightsThatNodesRead) {
  const auto model = Model::FromProto(ModelWithCodes(8, 0.5F), "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const auto analysis = Analyze(model->proto(), "m.onnx");
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  const auto lattices = FindWeightLattices(*analysis, *model);
  ASSERT_TRUE(lattices.ok()) << lattices.status();
  ASSERT_EQ(lattices->size(), 1U);
  const auto& [weight, lattice] = *lattices->begin();
  EXPECT_EQ(analysis->graph.value(weight).name, "w");
  EXPECT_EQ(lattice.axis, 0);
  EXPECT_EQ(lattice.bits, 4);
}

}  // namespace
}  // namespace onnxquant
