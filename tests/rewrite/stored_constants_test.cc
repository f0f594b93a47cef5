#include "lib/rewrite/stored_constants.h"

#include "gmock/gmock.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

class StoredConstantsTest : public RewriteFixture {
 protected:
  NodeId NodeThatMakes(const std::string& name) const {
    return analysis_->graph.value(analysis_->graph.Find(kMainScope, name)).producer;
  }
};

TEST_F(StoredConstantsTest, EachSlotReadsTheCopyInItsType) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, 2}> {
  [keep] y = Mul(x, w)
  [half] z = Add(x, w)
})");
  const StoredConstants constants = FindStoredConstants(
      Plan(std::string(kFp16) + "rules:\n  - {match: {name: keep}, compute: float32}\n"));
  EXPECT_TRUE(constants.Contains(analysis_->graph.Find(kMainScope, "w")));
  EXPECT_FALSE(constants.Contains(analysis_->graph.Find(kMainScope, "y")));
  const Reading keep = constants.ReadBy({NodeThatMakes("y"), 1});
  const Reading half = constants.ReadBy({NodeThatMakes("z"), 1});
  ASSERT_NE(keep.copy, nullptr);
  ASSERT_NE(half.copy, nullptr);
  EXPECT_THAT(keep.copy->names, ElementsAre("w"));
  EXPECT_THAT(half.copy->names, ElementsAre("w_float16"));
  EXPECT_EQ(constants.ReadBy({NodeThatMakes("y"), 0}).copy, nullptr);
}

TEST_F(StoredConstantsTest, BehindATransposeTheCopyIsNotReadDirectly) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 2] x) => (float[2, 2] z) <float[2, 2] w = {1, 2, 3, 4}> {
  t = Transpose<perm = [1, 0]>(w)
  z = MatMul(x, t)
})");
  const StoredConstants constants = FindStoredConstants(Plan(kFp16));
  EXPECT_TRUE(constants.ReadBy({NodeThatMakes("t"), 0}).directly);
  const Reading behind = constants.ReadBy({NodeThatMakes("z"), 1});
  EXPECT_NE(behind.copy, nullptr);
  EXPECT_FALSE(behind.directly);
}

TEST_F(StoredConstantsTest, AnOmittedOutputIsNoConstant) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) {
  z = Sqrt(x)
})");
  EXPECT_FALSE(FindStoredConstants(Plan(kFp16)).Contains(kNone));
}

}  // namespace
}  // namespace onnxquant
