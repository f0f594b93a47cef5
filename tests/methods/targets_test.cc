// Every set of vector instructions that multiplies and adds in one rounding gives the same bits;
// the others are as good.
#include <hwy/targets.h>

#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "lib/methods/gptq.h"
#include "lib/methods/search.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

struct Result {
  Factors factors;
  Codes codes, searched;
};

TEST(Targets, GiveTheSameBitsWhereTheyFuse) {
  constexpr std::int64_t kSize = 200;
  const std::vector<float> weights = SampleWeights(70, kSize);
  const std::vector<float> moments = SampleMoments(kSize, 300);
  int fused = 0;
  for (const Grid& grid : GridsOf({32})) {
    std::optional<Result> first;
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
      SCOPED_TRACE(Text(grid) + " " + hwy::TargetName(target));
      hwy::SetSupportedTargetsForTest(target);
      const bool fuses = Fuses();
      Result result;
      result.factors = FactorsOf(moments, kSize);
      result.codes = Gptq(grid, weights, kSize, result.factors, {});
      result.searched = Search(grid, weights, kSize, {});
      hwy::SetSupportedTargetsForTest(0);
      if (!first) {
        first = std::move(result);
        continue;
      }
      if (fuses) {
        ++fused;
        EXPECT_EQ(result.factors.factor, first->factors.factor);
        EXPECT_TRUE(SameBits(result.codes, first->codes));
        EXPECT_TRUE(SameBits(result.searched, first->searched));
      }
      const auto objective = [&](const Codes& codes) {
        return ObjectiveOf(weights, grid, codes, kSize, first->factors.moments);
      };
      EXPECT_NEAR(objective(result.codes), objective(first->codes), 0.02 * objective(first->codes));
      EXPECT_NEAR(objective(result.searched), objective(first->searched),
                  0.02 * objective(first->searched));
    }
  }
  RecordProperty("compared", fused);
}

}  // namespace
}  // namespace onnxquant::methods
