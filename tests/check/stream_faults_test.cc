#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Its bound is sqrt(8) * 30000 and the table's.
constexpr char kTooLarge[] = "30000";

TEST_F(CheckTest, SumsInFloat16ThatTheWeightsDoNotBoundAreAnError) {
  Check(InHalf(Text(kWideNorms, kTooLarge)));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  const Finding& finding = result_.findings[0];
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(finding.place, "sum");
  EXPECT_THAT(finding.places, ElementsAre("sum"));
  EXPECT_THAT(finding.evidence, HasSubstr("may come to 8.49e+04 (a bound from the weights)"));
  EXPECT_THAT(finding.evidence, HasSubstr("float16 ends at 65504"));
  EXPECT_FALSE(result_.ok());
}

TEST_F(CheckTest, SumsThatTheWeightsBoundAreRight) {
  Check(InHalf(Text(kWideNorms, "20000")));
  EXPECT_THAT(Kinds(), IsEmpty());
}

TEST_F(CheckTest, NormsInFloat16HoldLess) {
  EXPECT_THAT(Check(InHalf(Text(kStream, "200"))).findings, IsEmpty());
  Check(InHalf(Text(kStream, "300")));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("float16 norms over 8 elements hold 724"));
}

TEST_F(CheckTest, SumsInFloat32AndInBFloat16AreRight) {
  EXPECT_THAT(Check(Text(kStream, kTooLarge)).findings, IsEmpty());
  Check(InHalf(Text(kStream, kTooLarge), onnx::TensorProto::BFLOAT16));
  EXPECT_THAT(Kinds(), IsEmpty());
}

TEST_F(CheckTest, SumsOnTheCpuProviderAreComputedInFloat32) {
  EXPECT_THAT(Check(InHalf(Text(kWideNorms, kTooLarge)), {.target = "cpu"}).findings, IsEmpty());
}

TEST_F(CheckTest, MeasuredRangesDecideInPlaceOfTheBound) {
  const onnx::ModelProto model = InHalf(Text(kWideNorms, kTooLarge));
  folder_.Write("r.json", R"({"values": {"h1": {"peak": 60000}}})");
  EXPECT_THAT(Check(model, {.ranges = folder_ / "r.json"}).findings, IsEmpty());
  folder_.Write("r.json", R"({"values": {"h1": {"peak": 70000}}})");
  Check(model, {.ranges = folder_ / "r.json"});
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("was measured up to 7e+04"));
}

TEST_F(CheckTest, RangesOfAnotherModelAreRefused) {
  Check(InHalf(Text(kStream)));
  folder_.Write("r.json", R"({"values": {"other": {"peak": 1}}})");
  const auto result = CheckModel(folder_ / "model_fp16.onnx", {.ranges = folder_ / "r.json"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("holds no peak of 'h1'"));
}

TEST_F(CheckTest, AStreamWithoutABoundIsAWarning) {
  Check(InHalf(Text(R"((float[n, 8] x) => (float[n, 8] y)
<float[8] gain, float[8, 8] w> {
  n = LayerNormalization(x, gain)
  p = MatMul(n, w)
  r = Relu(p)
  [sum] h = Add(x, r)
  y = LayerNormalization(h, gain)
})")));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  EXPECT_EQ(result_.findings[0].severity, Severity::kWarning);
  EXPECT_THAT(result_.findings[0].remedy, HasSubstr("onnxquant ranges"));
  EXPECT_TRUE(result_.ok());
}

TEST_F(CheckTest, ASkipNormThatAddsInFloat16IsASumToo) {
  Check(InHalf(Text(R"((float[n, 8] x) => (float[n, 8] y)
<float[8] gain, float[8, 8] w> {
  n = LayerNormalization(x, gain)
  p = MatMul(n, w)
  [skip] y = com.microsoft.SkipLayerNormalization(x, p, gain)
})")));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  EXPECT_EQ(result_.findings[0].place, "skip");
}

// The sums are float32, the edges between them float16, as op_block_list leaves them.
constexpr char kBlocked[] = R"((int64[n] ids) => (float[n, 50] logits)
<float[50, 8] table, float[8] wide_gain, float[8] wide_post = {GAIN, 1, 1, 1, 1, 1, 1, 1},
 float[8, 8] w, float[8, 50] head> {
  [embed] h0 = Gather(table, ids)
  [cast0] wide_h0 = Cast<to = 1>(h0)
  [norm0] wide_n0 = SimplifiedLayerNormalization<axis = -1>(wide_h0, wide_gain)
  [back0] n0 = Cast<to = 1>(wide_n0)
  [down] p = MatMul(n0, w)
  [cast1] wide_p = Cast<to = 1>(p)
  [post_norm] wide_b0 = SimplifiedLayerNormalization<axis = -1>(wide_p, wide_post)
  [sum] h1 = Add(wide_h0, wide_b0)
  [narrow] EDGE = Cast<to = 1>(h1)
  [widen] wide_again = Cast<to = 1>(EDGE)
  [norm1] wide_n1 = SimplifiedLayerNormalization<axis = -1>(wide_again, wide_gain)
  [back2] n1 = Cast<to = 1>(wide_n1)
  [lm_head] logits = MatMul(n1, head)
})";

onnx::ModelProto Blocked(const std::string& edge, const std::string& gain) {
  return InHalf(
      ParseModel(kCheckHead + absl::StrReplaceAll(kBlocked, {{"EDGE", edge}, {"GAIN", gain}})));
}

TEST_F(CheckTest, ASumThatPassesThroughFloat16IsLost) {
  Check(Blocked("narrow_h1", kTooLarge));
  ASSERT_THAT(Kinds(), ElementsAre("range_lost_and_back"));
  EXPECT_EQ(result_.findings[0].place, "sum");
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("Cast to float16 and back"));
}

TEST_F(CheckTest, ASumThatFitsLosesNothing) {
  EXPECT_THAT(Check(Blocked("narrow_h1", "20000")).findings, IsEmpty());
}

TEST_F(CheckTest, ASumThatStaysWideLosesNothing) {
  EXPECT_THAT(Check(Blocked("wide_edge", kTooLarge)).findings, IsEmpty());
}

// What a converter stores in float16 of a norm that it leaves in float32 is the gain, too.
TEST_F(CheckTest, ABoundIsFoundBehindTheCastOfAGain) {
  const std::string text = absl::StrReplaceAll(
      kBlocked, {{"float[8] wide_post =", "float[8] post ="},
                 {"  [post_norm]", "  [gain] wide_post = Cast<to = 1>(post)\n  [post_norm]"},
                 {"EDGE", "narrow_h1"},
                 {"GAIN", kTooLarge}});
  Check(InHalf(ParseModel(kCheckHead + text)));
  ASSERT_THAT(Kinds(), ElementsAre("range_lost_and_back"));
  EXPECT_EQ(result_.findings[0].severity, Severity::kError);
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("(a bound from the weights)"));
}

// The same without the norm that bounds what joins the stream.
onnx::ModelProto Unbounded(const std::string& text) {
  return InHalf(ParseModel(
      kCheckHead +
      absl::StrReplaceAll(text, {{"SimplifiedLayerNormalization<axis = -1>(wide_p, wide_post)",
                                  "Mul(wide_p, wide_post)"},
                                 {"EDGE", "narrow_h1"},
                                 {"GAIN", "1"}})));
}

TEST_F(CheckTest, WithoutABoundALostRangeIsAWarning) {
  Check(Unbounded(kBlocked));
  ASSERT_THAT(Kinds(), ElementsAre("range_lost_and_back"));
  EXPECT_EQ(result_.findings[0].severity, Severity::kWarning);
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("has no known bound"));
  EXPECT_THAT(result_.findings[0].remedy, HasSubstr("onnxquant ranges"));
}

onnx::ModelProto Clipped(const std::string& clip, const std::string& gain) {
  const std::string text = absl::StrReplaceAll(
      kWideNorms, {{"head> {",
                    "head, float low = {-32752}, float high = {32752}, float six = {6},"
                    " float minus = {-6}> {"},
                   {"Cast<to = 1>(h1)", "Cast<to = 1>(clipped)"},
                   {"  [cast2]", "  " + clip + "\n  [cast2]"},
                   {"GAIN", gain}});
  return ParseModel(kCheckHead + text);
}

constexpr char kClip[] = "[clip] clipped = Clip(h1, low, high)";

TEST_F(CheckTest, AClipOfASumDistorts) {
  Check(InHalf(Clipped(kClip, kTooLarge)));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half", "clipped_residual"));
  EXPECT_EQ(result_.findings[1].place, "clip");
  EXPECT_THAT(result_.findings[1].evidence, HasSubstr("clamps the residual sum 'h1' to ±32752"));
}

TEST_F(CheckTest, WithoutABoundAClipOfASumIsAWarning) {
  const std::string text = absl::StrReplaceAll(
      kWideNorms, {{"head> {", "head, float low = {-32752}, float high = {32752}> {"},
                   {"Cast<to = 1>(h1)", "Cast<to = 1>(clipped)"},
                   {"  [cast2]", absl::StrCat("  ", kClip, "\n  [cast2]")}});
  Check(Unbounded(text));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half", "clipped_residual"));
  EXPECT_EQ(result_.findings[0].severity, Severity::kWarning);
  EXPECT_EQ(result_.findings[1].severity, Severity::kWarning);
}

TEST_F(CheckTest, AMinAfterAMaxIsAClip) {
  Check(InHalf(Clipped("[max] m = Max(h1, low) [min] clipped = Min(m, high)", kTooLarge)));
  EXPECT_THAT(Kinds(), ElementsAre("residual_in_half", "clipped_residual"));
}

TEST_F(CheckTest, AClipThatNothingReachesIsRight) {
  EXPECT_THAT(Check(InHalf(Clipped(kClip, "10000"))).findings, IsEmpty());
}

TEST_F(CheckTest, AClipInFloat32IsAPartOfTheModel) {
  EXPECT_THAT(Check(Clipped(kClip, kTooLarge)).findings, IsEmpty());
}

TEST_F(CheckTest, AnActivationsOwnLimitIsNoRepair) {
  Check(InHalf(Clipped("[clip] clipped = Clip(h1, minus, six)", kTooLarge)));
  EXPECT_THAT(Kinds(), ElementsAre("residual_in_half"));
}

}  // namespace
}  // namespace onnxquant
