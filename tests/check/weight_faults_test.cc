#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class WeightFaultsTest : public CheckTest {
 protected:
  // 'w' holds `fill`, and `numbers` at its end.
  static onnx::ModelProto With(const std::vector<float>& numbers, int rows = 20, float fill = 1) {
    onnx::ModelProto model =
        Text("(float[n, 16] x) => (float[n, 16] y) <float[20, 16] w> {\n  [add] y = Add(x, w)\n}");
    onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
    w.set_dims(0, rows);
    std::vector<float> all(static_cast<std::size_t>(rows) * 16, fill);
    std::copy(numbers.begin(), numbers.end(), all.end() - static_cast<long>(numbers.size()));
    w.clear_float_data();
    w.set_raw_data(all.data(), all.size() * sizeof(float));
    return model;
  }
};

TEST_F(WeightFaultsTest, FiniteWeightsAreRight) {
  EXPECT_THAT(Check(With({3e38F, -3e38F})).findings, IsEmpty());
}

TEST_F(WeightFaultsTest, NanAndInfinityAreCounted) {
  Check(With({kNan, -kInf, -kNan, kInf, kInf}));
  ASSERT_THAT(Kinds(), ElementsAre("bad_weights"));
  EXPECT_EQ(result_.findings[0].severity, Severity::kError);
  EXPECT_THAT(result_.findings[0].places, ElementsAre("w"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("'w' holds 2 NaN and 3 Inf"));
  EXPECT_THAT(result_.command, IsEmpty());
}

TEST_F(WeightFaultsTest, TheyAreAFaultOnTheCpuProviderToo) {
  Check(With({kInf}), {.target = "cpu"});
  EXPECT_THAT(Kinds(), ElementsAre("bad_weights"));
}

TEST_F(WeightFaultsTest, BothHalfTypesAreRead) {
  for (const auto& [type, bits] : {std::pair{onnx::TensorProto::FLOAT16, "\x01\x7c"},
                                   std::pair{onnx::TensorProto::BFLOAT16, "\x81\x7f"}}) {
    onnx::ModelProto model = InHalf(With({}), type);
    onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
    ASSERT_EQ(w.data_type(), type);
    w.clear_int32_data();
    std::string* raw = w.mutable_raw_data();
    raw->assign(std::size_t{20} * 16 * 2, '\0');
    EXPECT_THAT(Check(model).findings, IsEmpty());
    raw->replace(0, 2, bits, 2);
    Check(model);
    ASSERT_THAT(Kinds(), ElementsAre("bad_weights"));
    EXPECT_THAT(result_.findings[0].evidence, HasSubstr("1 NaN"));
  }
}

TEST_F(WeightFaultsTest, SmallConstantsAreLimitsAndMaskFills) {
  EXPECT_THAT(Check(With({-kInf}, 16)).findings, IsEmpty());
}

TEST_F(WeightFaultsTest, AMaskOfZerosAndMinusInfinityIsNoFault) {
  EXPECT_THAT(Check(With({-kInf, -kInf}, 20, 0)).findings, IsEmpty());
  Check(With({-kInf, kInf}, 20, 0));
  EXPECT_THAT(Kinds(), ElementsAre("bad_weights"));
}

}  // namespace
}  // namespace onnxquant
