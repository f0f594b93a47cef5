#include "lib/rewrite/value_names.h"

#include "gmock/gmock.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class ValueNamesTest : public RewriteFixture {
 protected:
  ValueId Id(const std::string& name) const { return analysis_->graph.Find(kMainScope, name); }

  static OutputNames Names(const RewriteInput& input) {
    TakenNames taken = FindTakenNames(input);
    return NameValues(input, FindStoredConstants(input), taken.values);
  }
};

// In float16 throughout, the Cast has nothing to do.
constexpr char kCast[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  [root] y = Sqrt(x)
  [cast] c = Cast<to = 1>(y)
  z = Exp(c)
})";

TEST_F(ValueNamesTest, WhatIsLeftOutIsCalledAsWhatIsReadInstead) {
  Load(kCast);
  const OutputNames names = Names(Plan(kFp16));
  EXPECT_EQ(names.Of(Id("c")), "y");
  EXPECT_EQ(names.Of(Id("z")), "z");
  EXPECT_THAT(names.cast_outputs, IsEmpty());
}

TEST_F(ValueNamesTest, WhatIsLeftOutLeavesItsNames) {
  Load(kCast);
  TakenNames taken = FindTakenNames(Plan(kFp16));
  EXPECT_EQ(taken.values.Take("c"), "c");
  EXPECT_EQ(taken.nodes.Take("cast"), "cast");
  EXPECT_EQ(taken.values.Take("y"), "y_2");
  EXPECT_EQ(taken.nodes.Take("root"), "root_2");
}

TEST_F(ValueNamesTest, NamesOfCopiesAreTaken) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, 2}> {
  [keep] y = Mul(x, w)
  z = Add(x, w)
})");
  TakenNames taken = FindTakenNames(
      Plan(std::string(kFp16) + "rules:\n  - {match: {name: keep}, compute: float32}\n"));
  EXPECT_EQ(taken.values.Take("w_float16"), "w_float16_2");
}

TEST_F(ValueNamesTest, AnOutputOfAnotherTypeIsMadeUnderANewName) {
  Load(kCast);
  const OutputNames names = Names(Plan(kFp16KeepIo));
  EXPECT_EQ(names.Of(Id("z")), "z_float16");
  EXPECT_THAT(names.cast_outputs, ElementsAre(Pair(Id("z"), ElementType::kFloat)));
}

TEST_F(ValueNamesTest, WhatStandsForAnOutputTakesItsName) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  y = Sqrt(x)
  z = Cast<to = 1>(y)
})");
  const OutputNames names = Names(Plan(kFp16));
  EXPECT_EQ(names.Of(Id("y")), "z");
  EXPECT_EQ(names.Of(Id("z")), "z");
}

}  // namespace
}  // namespace onnxquant
