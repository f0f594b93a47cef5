#include "lib/model/layout.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Layout, KeepsSmallAndMarkedTensorsInline) {
  const std::vector<LayoutItem> items = {{1023, false}, {1024, false}, {5000, true}, {0, false}};
  const Layout layout = PlanLayout(items, {}).value();
  EXPECT_FALSE(layout.items[0].external());
  EXPECT_TRUE(layout.items[1].external());
  EXPECT_FALSE(layout.items[2].external());
  EXPECT_FALSE(layout.items[3].external());
  EXPECT_THAT(layout.shard_bytes, ElementsAre(1024U));
}

TEST(Layout, AlignsTensorsByTheirSize) {
  const std::vector<LayoutItem> items = {
      {1025, false}, {65535, false}, {65536, false}, {(1 << 20) - 1, false}, {1 << 20, false}};
  const Layout layout = PlanLayout(items, {}).value();
  EXPECT_EQ(layout.items[0].offset, 0U);
  EXPECT_EQ(layout.items[1].offset, 1088U);
  EXPECT_EQ(layout.items[2].offset, 69632U);
  EXPECT_EQ(layout.items[3].offset, 135168U);
  EXPECT_EQ(layout.items[4].offset, (135168U + (1 << 20) - 1 + 65535) / 65536 * 65536);
}

TEST(Layout, OpensANewShardBeforeTheLimitIsPassed) {
  const std::vector<LayoutItem> items = {{6000, false}, {6000, false}, {2000, false}};
  LayoutOptions options;
  options.max_shard = 8016;  // 6016 + 2000
  const Layout layout = PlanLayout(items, options).value();
  EXPECT_EQ(layout.items[0].shard, 0);
  EXPECT_EQ(layout.items[1].shard, 1);
  EXPECT_EQ(layout.items[2].shard, 1);
  EXPECT_EQ(layout.items[2].offset, 6016U);
  EXPECT_THAT(layout.shard_bytes, ElementsAre(6000U, 8016U));
}

TEST(Layout, KnowsWhatBrowsersCanLoad) {
  LayoutOptions options;
  options.max_shard = 3 * kLargestInBrowsers;
  const std::vector<LayoutItem> small = {{kLargestInBrowsers, false}};
  EXPECT_TRUE(FitsBrowsers(PlanLayout(small, options).value()));
  const std::vector<LayoutItem> large = {{kLargestInBrowsers + 1, false}};
  EXPECT_FALSE(FitsBrowsers(PlanLayout(large, options).value()));
  const std::vector<LayoutItem> second = {{5000, false}, {3 * kLargestInBrowsers, false}};
  EXPECT_FALSE(FitsBrowsers(PlanLayout(second, options).value()));
}

TEST(Layout, PlacesEqualItemsOnceOutsideTheModel) {
  const std::vector<LayoutItem> items = {
      {6000, false}, {100, false}, {6000, false, 0}, {100, false, 1}, {2000, false}};
  const Layout layout = PlanLayout(items, {}).value();
  EXPECT_EQ(layout.items[2].offset, layout.items[0].offset);
  EXPECT_EQ(layout.items[2].shard, layout.items[0].shard);
  EXPECT_EQ(layout.items[2].bytes, 6000U);
  EXPECT_FALSE(layout.items[3].external());
  EXPECT_THAT(layout.shard_bytes, ElementsAre(6016U + 2000U));
}

TEST(Layout, RefusesAnItemThatIsLargerThanAShard) {
  LayoutOptions options;
  options.max_shard = 5000;
  const std::vector<LayoutItem> large = {{5001, false}};
  EXPECT_THAT(std::string(PlanLayout(large, options).status().message()),
              HasSubstr("a tensor of 5001 bytes does not fit"));
}

TEST(Layout, NamesShardsAsTransformersJsAsksForThem) {
  EXPECT_EQ(ShardFileName("model_q4.onnx", 0), "model_q4.onnx_data");
  EXPECT_EQ(ShardFileName("model_q4.onnx", 2), "model_q4.onnx_data_2");
}

}  // namespace
}  // namespace onnxquant
