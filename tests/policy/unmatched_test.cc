#include "lib/policy/unmatched.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4, 64] x) => (float[4, 64] y) <float[64, 64] w0, float[64, 64] gate> {
  [first] a = MatMul(x, w0)
  [second] y = MatMul(a, gate)
})";

// What is said of a policy's only rule.
std::string Said(const std::string& match, const std::string& name = "mine") {
  onnx::ModelProto model = ParseModel(kModel);
  model.mutable_graph()->mutable_initializer(0)->set_name("w[0]");
  model.mutable_graph()->mutable_node(0)->set_input(1, "w[0]");
  const auto analysis = Analyze(model, "m.onnx");
  EXPECT_TRUE(analysis.ok()) << analysis.status();
  const auto policy = ParsePolicy("policy: 1\nname: " + name +
                                      "\noutputs:\n  fp16: {compute: float16, weights: float16, "
                                      "io: float32}\nrules:\n  - match: " +
                                      match + "\n    compute: float32\n",
                                  "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return WhyUnmatched(*analysis, *policy, policy->rules[0]);
}

TEST(WhyUnmatchedTest, ABracketThatWasMeantIsSpeltOut) {
  EXPECT_THAT(Said("{weight: 'w[0]'}"), HasSubstr("'w[[]0]' matches 'w[0]'"));
  EXPECT_EQ(Said("{weight: 'v[0]'}"), "");
}

TEST(WhyUnmatchedTest, ANameThatIsNearIsSuggested) {
  EXPECT_EQ(Said("{weight: gaet}"), "; did you mean 'gate'?");
  EXPECT_EQ(Said("{name: secnd}"), "; did you mean 'second'?");
  EXPECT_EQ(Said("{name: 'secnd*'}"), "");
}

TEST(WhyUnmatchedTest, ABuiltInPolicyForAnotherFamilyNamesThatOfThisOne) {
  EXPECT_THAT(Said("{role: norm}", "gemma-web"), HasSubstr("'--policy transformersjs' is"));
  EXPECT_EQ(Said("{role: norm}", "mine"), "");
  EXPECT_EQ(Said("{role: norm}", "transformersjs"), "");
}

}  // namespace
}  // namespace onnxquant
