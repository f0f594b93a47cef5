#include "onnxquant/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PolicySpec Complete() {
  PolicySpec spec{.name = "mine", .description = "It has: a colon, and # a hash."};
  spec.target = {"webgpu", "transformers.js@4.3"};
  spec.outputs = {
      {"fp16", {.compute = "float16", .io = "float16", .weights = {.format = "float16"}}},
      {"q4f16",
       {.compute = "float16",
        .io = "float32",
        .weights = {.format = "int4", .block = 64, .symmetric = false, .source = "float16"},
        .accuracy_level = 4,
        .overflow = "clamp",
        .method = "search",
        .tie = false}}};
  spec.rules = {{.match = {.role = {"norm", "residual"}}, .set = {.compute = "float32"}},
                {.match = {.op = {"com.microsoft::MatMulNBits"},
                           .name = {"*/v_proj*"},
                           .regex = {"^/a: b$"},
                           .weight = {"w?"},
                           .layer = {"0-3", "-1"},
                           .hazard = {"any"},
                           .peak_over = 16000.5,
                           .calibrated = false,
                           .lattice = true,
                           .least_elements = 100,
                           .most_elements = 1e9},
                 .set = {.keep = true},
                 .when = {"q4f16"},
                 .optional = true},
                {.match = {.role = {"residual"}}, .set = {.rescale = 7}}};
  return spec;
}

TEST(PolicySpec, ReadsBackAsItWasWritten) {
  const auto policy = ParsePolicy(ToYaml(Complete()), "spec");
  ASSERT_TRUE(policy.ok()) << policy.status() << "\n" << ToYaml(Complete());
  EXPECT_EQ(policy->name, "mine");
  EXPECT_EQ(policy->description, "It has: a colon, and # a hash.");
  ASSERT_EQ(policy->targets.size(), 2);
  EXPECT_EQ(policy->targets[1].target.ToString(), "transformers.js@4.3");
  ASSERT_EQ(policy->outputs.size(), 2);
  EXPECT_EQ(policy->outputs[0].dtype, "fp16");
  EXPECT_EQ(policy->outputs[0].defaults.compute, ElementType::kFloat16);
  const Settings& q4f16 = policy->outputs[1].defaults;
  EXPECT_EQ(q4f16.io, ElementType::kFloat);
  EXPECT_EQ(q4f16.weights, (WeightFormat{.word = "int4",
                                         .bits = 4,
                                         .block = 64,
                                         .symmetric = false,
                                         .source = ElementType::kFloat16}));
  EXPECT_EQ(q4f16.accuracy_level, 4);
  EXPECT_EQ(q4f16.overflow, Overflow::kClamp);
  EXPECT_EQ(q4f16.method, methods::Method::kSearch);
  EXPECT_EQ(q4f16.tie, false);
  ASSERT_EQ(policy->rules.size(), 3);
  EXPECT_THAT(policy->rules[0].match.roles, ElementsAre("norm", "residual"));
  EXPECT_EQ(policy->rules[0].set.compute, ElementType::kFloat);
  const Rule& second = policy->rules[1];
  EXPECT_THAT(second.match.ops, ElementsAre("com.microsoft::MatMulNBits"));
  EXPECT_THAT(second.match.names, ElementsAre("*/v_proj*"));
  EXPECT_EQ(second.match.regexes.at(0).text(), "^/a: b$");
  EXPECT_THAT(second.match.weights, ElementsAre("w?"));
  ASSERT_EQ(second.match.layers.size(), 2);
  EXPECT_EQ(second.match.layers[0].last, 3);
  EXPECT_EQ(second.match.layers[1].first, -1);
  EXPECT_THAT(second.match.hazards, ElementsAre("any"));
  EXPECT_EQ(second.match.peak_over, 16000.5);
  EXPECT_EQ(second.match.calibrated, false);
  EXPECT_EQ(second.match.lattice, true);
  EXPECT_EQ(second.match.least_elements, 100);
  EXPECT_EQ(second.match.most_elements, 1e9);
  EXPECT_EQ(second.set.keep, true);
  EXPECT_THAT(second.when, ElementsAre("q4f16"));
  EXPECT_TRUE(second.optional);
  EXPECT_EQ(policy->rules[2].set.residual,
            (ResidualSetting{.kind = ResidualSetting::Kind::kRescale, .exponent = 7}));
}

TEST(PolicySpec, EveryWayWithTheResidualStreamCanBeSaid) {
  const auto residual = [](const PolicyFields& fields) {
    PolicySpec spec = Complete();
    spec.rules = {{.match = {.role = {"residual"}}, .set = fields}};
    const auto policy = ParsePolicy(ToYaml(spec), "spec");
    EXPECT_TRUE(policy.ok()) << policy.status();
    return policy.ok() ? policy->rules[0].set.residual.value_or(ResidualSetting{.limit = -1})
                       : ResidualSetting{.limit = -2};
  };
  EXPECT_EQ(residual({.residual = "float32"}), ResidualSetting{});
  EXPECT_EQ(residual({.rescale = 0}),
            (ResidualSetting{.kind = ResidualSetting::Kind::kRescale, .exponent = 0}));
  EXPECT_EQ(residual({.clip = 65000}),
            (ResidualSetting{.kind = ResidualSetting::Kind::kClip, .limit = 65000}));
}

TEST(PolicySpec, EveryWayWithRotaryTablesCanBeSaid) {
  const auto rope_cache = [](const PolicyFields& fields) {
    PolicySpec spec = Complete();
    spec.rules = {{.match = {.role = {"rope"}}, .set = fields}};
    const auto policy = ParsePolicy(ToYaml(spec), "spec");
    return policy.ok() ? ToString(*policy->rules[0].set.rope_cache)
                       : std::string(policy.status().message());
  };
  EXPECT_EQ(rope_cache({.rope_cache = "keep"}), "keep");
  EXPECT_EQ(rope_cache({.rope_cache = "computed"}), "computed");
  EXPECT_EQ(rope_cache({.rope_positions = 512}), "{positions: 512}");
  EXPECT_EQ(rope_cache({.rope_cache = "computed", .rope_positions = 512}), "{computed: 512}");
  EXPECT_THAT(rope_cache({.rope_cache = "keep", .rope_positions = 512}),
              HasSubstr("found 'keep' in rope_cache; allowed are positions, computed"));
}

TEST(PolicySpec, ContradictionsReachTheParser) {
  PolicySpec spec = Complete();
  spec.rules = {{.match = {.role = {"residual"}}, .set = {.residual = "float32", .clip = 100}}};
  EXPECT_THAT(ParsePolicy(ToYaml(spec), "spec").status().message(), HasSubstr("spec:"));
  spec = Complete();
  spec.outputs.push_back(spec.outputs[0]);
  EXPECT_THAT(ParsePolicy(ToYaml(spec), "spec").status().message(), HasSubstr("fp16"));
  EXPECT_FALSE(ParsePolicy(ToYaml(PolicySpec{}), "spec").ok());
}

}  // namespace
}  // namespace onnxquant
