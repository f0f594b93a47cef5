#include "lib/policy/plan_clips.h"

#include "tests/policy/stage_fixture.h"
#include "tests/support/half_model.h"

namespace onnxquant {
namespace {

using PlanClipsTest = StageTest;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kClamped[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (float[b, 32] x) => (float[b, 32] z)
<float[32] gain, float[32, 32] w, float low = {-32752.0}, float high = {32752.0}> {
  normed = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
  a = MatMul(normed, w)
  sum = Add(x, a)
  clipped = Clip(sum, low, high)
  z = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(clipped, gain)
})";

TEST_F(PlanClipsTest, AClampStaysWhereTheSumIsHalfAndGoesWhereTheStreamIsRescaled) {
  LoadProto(InHalf(ParseModel(kClamped)));
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  EXPECT_EQ(TakeClipsOut(*context_, resolved, false, io, Makers({}), plan_), Makers({}));
  EXPECT_THAT(plan_.residual, IsEmpty());
  EXPECT_EQ(TakeClipsOut(*context_, resolved, true, io, Makers({"a"}), plan_),
            Makers({"a", "clipped"}));
  EXPECT_EQ(plan_.residual, "1 Clip of its sums to ±32752 taken out");
  EXPECT_THAT(plan_.nodes[NodeOf("clipped")].why.back().ToString(),
              HasSubstr("the stream is rescaled to fit"));
}

TEST_F(PlanClipsTest, AClampThatARuleKeepsStays) {
  LoadProto(InHalf(ParseModel(kClamped)), "  - {match: {op: Clip}, keep: true}\n");
  ASSERT_FALSE(analysis_->residual.clips.empty());
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  EXPECT_EQ(TakeClipsOut(*context_, resolved, true, io, Makers({}), plan_), Makers({}));
}

}  // namespace
}  // namespace onnxquant
