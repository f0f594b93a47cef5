#include "lib/policy/families.h"

#include <algorithm>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A layer whose branch ends in a product: POST, if it is a norm, makes it one of Gemma's kind.
std::string Layer(const std::string& post) {
  return R"(g (int64[n] ids) => (float[n, 50] logits)
<float[50, 8] table, float[8] gain, float[8, 8] w, float[8, 50] head> {
  h0 = Gather(table, ids)
  n0 = SimplifiedLayerNormalization<axis = -1>(h0, gain)
  p = MatMul(n0, w)
  b0 = )" +
         post + R"(
  h1 = Add(h0, b0)
  n1 = SimplifiedLayerNormalization<axis = -1>(h1, gain)
  logits = MatMul(n1, head)
})";
}

class FamiliesTest : public StageTest {
 protected:
  const Family& FamilyOfText(const std::string& text) {
    Load(text);
    return FamilyOf(*analysis_);
  }
};

TEST_F(FamiliesTest, EveryFamilyHasABuiltInPolicyThatWritesItsDtypes) {
  std::set<absl::string_view> names;
  for (const Family& family : Families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    const auto policy = LoadPolicy(std::string(family.policy));
    ASSERT_TRUE(policy.ok()) << policy.status();
    for (const absl::string_view dtype : family.dtypes) {
      EXPECT_TRUE(std::any_of(policy->outputs.begin(), policy->outputs.end(),
                              [&](const OutputSpec& output) { return output.dtype == dtype; }))
          << family.name << " " << dtype;
    }
  }
}

TEST_F(FamiliesTest, BranchesThatEndInNormsAreGemmas) {
  const Family& family = FamilyOfText(Layer("SimplifiedLayerNormalization<axis = -1>(p, gain)"));
  EXPECT_EQ(family.policy, "gemma-web");
  EXPECT_THAT(family.evidence(*analysis_), HasSubstr("ends in a norm"));
  EXPECT_TRUE(IsGemma(*analysis_));
}

TEST_F(FamiliesTest, SkipNormsAndNormsThatAreSpeltOutAreGemmasAsWell) {
  const char* skipped = R"(g (int64[1, n] ids) => (float[1, n, 50] logits)
<float[50, 8] table, float[8] gain, float[8, 8] w, float[8, 50] head, float two = {2}, int64[1] last = {-1},
 float eps = {1e-6}> {
  h0 = Gather(table, ids)
  n0 = SimplifiedLayerNormalization<axis = -1>(h0, gain)
  p = MatMul(n0, w)
  s = Pow(p, two)
  m = ReduceMean(s, last)
  e = Add(m, eps)
  r = Sqrt(e)
  d = Div(p, r)
  b0 = Mul(d, gain)
  n1, a, c, h1 = com.microsoft.SkipSimplifiedLayerNormalization(h0, b0, gain)
  %s
  n2, f, g, h2 = com.microsoft.SkipSimplifiedLayerNormalization(h1, b1, gain)
  logits = MatMul(n2, head)
})";
  for (const bool gemma : {true, false}) {
    const char* branch = gemma ? "q = MatMul(n1, w)\n b1 = SimplifiedLayerNormalization(q, gain)"
                               : "b1 = MatMul(n1, w)";
    std::string text = skipped;
    text.replace(text.find("%s"), 2, branch);
    Load(text);
    EXPECT_EQ(IsGemma(*analysis_), gemma) << branch;
  }
}

TEST_F(FamiliesTest, OtherBranchesAreThoseOfALanguageModel) {
  const Family& family = FamilyOfText(Layer("Identity(p)"));
  EXPECT_EQ(family.policy, "llm-web");
  EXPECT_THAT(family.evidence(*analysis_), HasSubstr("an lm_head"));
  EXPECT_FALSE(IsGemma(*analysis_));
}

TEST_F(FamiliesTest, AnEncoderIsNoLanguageModel) {
  const Family& family = FamilyOfText(R"(g (float[n, 8] x) => (float[n, 8] y)
<float[8] gain, float[8] bias, float[8, 8] w> {
    p = MatMul(x, w)
    s = Add(x, p)
    y = LayerNormalization(s, gain, bias)
  })");
  EXPECT_EQ(&family, &Families().back());
}

TEST_F(FamiliesTest, TheLastFamilyRecognisesEveryModel) {
  const Family& family = FamilyOfText("g (float[2] x) => (float[2] y) { y = Relu(x) }");
  EXPECT_EQ(&family, &Families().back());
  EXPECT_EQ(family.policy, "transformersjs");
  for (const Family& other : Families()) {
    if (&other == &family) continue;
    EXPECT_THAT(other.evidence(*analysis_), IsEmpty()) << other.name;
  }
}

}  // namespace
}  // namespace onnxquant
