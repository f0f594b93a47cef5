#include "lib/analysis/type_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Check(const std::string& opsets, const std::string& graph) {
  const onnx::ModelProto model =
      ParseModel("<ir_version: 10, opset_import: [" + opsets + "]>\n" + graph);
  const auto built = Graph::Build(model, "m.onnx");
  EXPECT_TRUE(built.ok()) << built.status();
  const auto types = InferTypes(*built, "m.onnx");
  EXPECT_TRUE(types.ok()) << types.status();
  return CheckTypes(*built, *types, "m.onnx");
}

TEST(TypeCheck, RefusesATypeThatTheOperatorDoesNotTake) {
  const absl::Status status =
      Check(R"("" : 21)",
            "g (double[4] x, double s) => (uint8[4] y) { [codes] y = QuantizeLinear(x, s) }");
  EXPECT_EQ(KindOf(status), ErrorKind::kModel);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("m.onnx: node 'codes' (QuantizeLinear): input 0 ('x') is float64"),
                    HasSubstr("since opset 21")));
}

TEST(TypeCheck, RefusesATypeThatTheOperatorTakesLaterOnly) {
  const std::string conv =
      "g (bfloat16[1, 1, 4, 4] x, bfloat16[1, 1, 1, 1] w) => (bfloat16[1, 1, 4, 4] y) { y = "
      "Conv(x, w) }";
  EXPECT_EQ(KindOf(Check(R"("" : 11)", conv)), ErrorKind::kModel);
  EXPECT_TRUE(Check(R"("" : 22)", conv).ok());
}

TEST(TypeCheck, RefusesTwoTypesWhereTheOperatorWantsOne) {
  const absl::Status status =
      Check(R"("" : 21)", "g (float[4] x, int64[4] w) => (float[4] y) { y = Add(x, w) }");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("inputs 0 ('x', float32) and 1 ('w', int64) must be of one type in Add"));
}

TEST(TypeCheck, PassesSeveralTypesOfRealNumbersWhichConversionMends) {
  EXPECT_TRUE(
      Check(R"("" : 21)", "g (float[4] x, float16[4] w) => (float[4] y) { y = Add(x, w) }").ok());
}

TEST(TypeCheck, RefusesWhatIsDeclaredAsAnotherTypeThanItIsMade) {
  const absl::Status status =
      Check(R"("" : 21)", "g (float[4] x) => (int64[4] y) { [relu] y = Relu(x) }");
  EXPECT_EQ(KindOf(status), ErrorKind::kModel);
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("m.onnx: 'y' is declared int64, but node 'relu' (Relu) makes float32: export"));
  EXPECT_FALSE(
      Check(R"("" : 21)", "g (float[4] x) => (float[4] y) <int64[4] r> { r = Relu(x) y = Abs(r) }")
          .ok());
  // A forgotten Cast, as above.
  EXPECT_TRUE(Check(R"("" : 21)", "g (float[4] x) => (float16[4] y) { y = Relu(x) }").ok());
}

TEST(TypeCheck, DoesNotHoldAgainstANodeWhatAnotherOperatorMakes) {
  EXPECT_TRUE(Check(R"("" : 21, "com.microsoft" : 1)",
                    "g (float16[4] x, int64[4] w) => (float[4] y) { a = com.microsoft.Gelu(x) y = "
                    "Add(a, w) }")
                  .ok());
}

TEST(TypeCheck, TakesInputsThatAreLeftOutAndOperatorsThatOnnxDoesNotDefine) {
  EXPECT_TRUE(Check(R"("" : 21, "custom" : 1)",
                    "g (float[4] x, float m) => (float[4] y) { a = custom.Any(x) y = Clip(x, , m) "
                    "}")
                  .ok());
}

}  // namespace
}  // namespace onnxquant
