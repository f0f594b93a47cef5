#include "lib/allocate/allocate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

AllocationItem ItemOf(std::vector<AllocationOption> options) {
  return {std::move(options)};
}

std::vector<AllocationItem> RandomItems(std::uint64_t seed, std::size_t items,
                                        std::size_t options) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::uint64_t> bytes(1, 1000);
  std::uniform_real_distribution<double> cost(0, 1);
  std::vector<AllocationItem> made;
  for (std::size_t i = 0; i < items; ++i) {
    AllocationItem item;
    for (std::size_t j = 0; j < options; ++j) item.options.push_back({bytes(random), cost(random)});
    made.push_back(std::move(item));
  }
  return made;
}

Allocation SumOf(const std::vector<AllocationItem>& items, const std::vector<std::size_t>& chosen) {
  Allocation sum{chosen, 0, 0};
  for (std::size_t i = 0; i < items.size(); ++i) {
    sum.bytes += items[i].options[chosen[i]].bytes;
    sum.cost += items[i].options[chosen[i]].cost;
  }
  return sum;
}

// Every combination.
std::vector<Allocation> All(const std::vector<AllocationItem>& items) {
  std::vector<Allocation> all;
  std::vector<std::size_t> chosen(items.size(), 0);
  while (true) {
    all.push_back(SumOf(items, chosen));
    std::size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].options.size()) chosen[i++] = 0;
    if (i == items.size()) return all;
  }
}

TEST(AllocateTest, TheMostWorthwhileStepComesFirst) {
  const std::vector<AllocationItem> items = {ItemOf({{10, 1}, {20, 0.5}}),
                                             ItemOf({{10, 1}, {20, 0.1}})};
  EXPECT_THAT(AllocateWithin(items, 20)->chosen, ElementsAre(0, 0));
  EXPECT_THAT(AllocateWithin(items, 30)->chosen, ElementsAre(0, 1));
  EXPECT_THAT(AllocateWithin(items, 40)->chosen, ElementsAre(1, 1));
  EXPECT_THAT(AllocateWithin(items, 1000)->chosen, ElementsAre(1, 1));
}

TEST(AllocateTest, NothingIsGivenWhereTheSmallestDoNotFit) {
  EXPECT_FALSE(AllocateWithin({{{{10, 1}, {20, 0}}}}, 9).has_value());
  EXPECT_FALSE(AllocateFor({{{{10, 1}, {20, 0.5}}}}, 0.4).has_value());
}

TEST(AllocateTest, AnOptionThatIsLargerAndCostsMoreIsNeverChosen) {
  EXPECT_THAT(AllocateWithin({{{{10, 1}, {30, 2}, {20, 0.5}}}}, 1000)->chosen, ElementsAre(2));
}

TEST(AllocateTest, WhatIsLeftIsSpentOnOptionsOffTheHull) {
  // On the hull only the step to 40 bytes is worthwhile, and it does not fit.
  const std::vector<AllocationItem> items = {ItemOf({{10, 1}, {20, 0.9}, {40, 0}})};
  EXPECT_THAT(AllocateWithin(items, 30)->chosen, ElementsAre(1));
}

TEST(AllocateTest, NoItemsTakeNothing) {
  EXPECT_EQ(AllocateWithin({}, 0)->bytes, 0U);
  EXPECT_EQ(AllocateFor({}, 0)->bytes, 0U);
  EXPECT_EQ(FrontOf({}).size(), 1U);
}

TEST(AllocateTest, TheBudgetIsNeverExceededAndTheBestIsNearlyFound) {
  double missed = 0;
  int runs = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::vector<AllocationItem> items = RandomItems(seed, 7, 4);
    const std::vector<Allocation> all = All(items);
    for (const std::uint64_t budget : {1500U, 2500U, 4000U}) {
      double best = 1e300;
      for (const Allocation& one : all) {
        if (one.bytes <= budget) best = std::min(best, one.cost);
      }
      const std::optional<Allocation> found = AllocateWithin(items, budget);
      ASSERT_EQ(found.has_value(), best < 1e300);
      if (!found) continue;
      const Allocation sum = SumOf(items, found->chosen);
      EXPECT_LE(sum.bytes, budget);
      EXPECT_EQ(sum.bytes, found->bytes);
      EXPECT_NEAR(sum.cost, found->cost, 1e-12);
      EXPECT_GE(found->cost, best - 1e-12);
      missed += found->cost - best;
      ++runs;
    }
  }
  EXPECT_GT(runs, 100);
  EXPECT_LT(missed / runs, 0.02);  // of costs of about 2
}

TEST(AllocateTest, ABoundOfTheCostIsKeptWithNearlyTheFewestBytes) {
  double missed = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::vector<AllocationItem> items = RandomItems(seed, 7, 4);
    for (const double cost : {1.0, 2.0}) {
      std::uint64_t best = 1'000'000;
      for (const Allocation& one : All(items)) {
        if (one.cost <= cost) best = std::min(best, one.bytes);
      }
      const std::optional<Allocation> found = AllocateFor(items, cost);
      ASSERT_EQ(found.has_value(), best < 1'000'000);
      if (!found) continue;
      EXPECT_LE(found->cost, cost);
      EXPECT_GE(found->bytes, best);
      missed += static_cast<double>(found->bytes - best);
    }
  }
  EXPECT_LT(missed / 80, 40);  // of about 2000
}

TEST(AllocateTest, TheFrontFallsAndIsConvex) {
  const std::vector<FrontPoint> front = FrontOf(RandomItems(3, 50, 5));
  ASSERT_GT(front.size(), 40U);
  double last = 1e300;
  for (std::size_t i = 1; i < front.size(); ++i) {
    ASSERT_GT(front[i].bytes, front[i - 1].bytes);
    const double slope = (front[i - 1].cost - front[i].cost) /
                         static_cast<double>(front[i].bytes - front[i - 1].bytes);
    EXPECT_LE(slope, last * (1 + 1e-9));
    last = slope;
  }
}

TEST(AllocateTest, GapsThatALargeItemLeavesInTheFrontAreFilled) {
  std::vector<AllocationItem> items = {ItemOf({{1000, 1}, {2000, 0}})};
  for (int i = 0; i < 60; ++i) items.push_back(ItemOf({{10, 0.001}, {20, 0.0}}));
  const std::vector<FrontPoint> front = FilledFrontOf(items, 40);
  EXPECT_GT(front.size(), FrontOf(items).size());
  double largest = 0;
  for (std::size_t i = 1; i < front.size(); ++i) {
    ASSERT_GT(front[i].bytes, front[i - 1].bytes);
    ASSERT_LT(front[i].cost, front[i - 1].cost);
    largest = std::max(largest, static_cast<double>(front[i].bytes - front[i - 1].bytes));
    const std::optional<Allocation> found = AllocateWithin(items, front[i].bytes);
    ASSERT_TRUE(found.has_value());
    EXPECT_LE(found->cost, front[i].cost + 1e-12);
  }
  EXPECT_LT(largest, 500) << "the large item alone takes 1000 more";
}

TEST(AllocateTest, ALargeItemIsWeighedAgainstManySmallOnes) {
  // The small ones are worth more by the byte, and leave no room for the large one.
  std::vector<AllocationItem> items = {ItemOf({{100, 1}, {200, 0}})};
  for (int i = 0; i < 100; ++i) items.push_back(ItemOf({{1, 0.009}, {2, 0.0}}));
  for (int i = 0; i < 100; ++i)
    items[static_cast<std::size_t>(i) + 1].options[0].cost += i < 10 ? 0.01 : 0;
  const std::optional<Allocation> found = AllocateWithin(items, 310);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->chosen[0], 1U);
  EXPECT_NEAR(found->cost, 90 * 0.009, 1e-9);
  const std::optional<Allocation> reached = AllocateFor(items, 90 * 0.009 + 1e-9);
  ASSERT_TRUE(reached.has_value());
  EXPECT_EQ(reached->bytes, 310U);
}

TEST(AllocateTest, EachCostOfTheFrontCanBeAskedFor) {
  const std::vector<AllocationItem> items = RandomItems(7, 60, 3);
  for (const FrontPoint& point : FrontOf(items)) {
    const std::optional<Allocation> found = AllocateFor(items, point.cost * (1 + 1e-12));
    ASSERT_TRUE(found.has_value());
    EXPECT_LE(found->bytes, point.bytes);
  }
}

TEST(AllocateTest, TenThousandItemsMeetABudgetToTheLastFewBytes) {
  const std::vector<AllocationItem> items = RandomItems(5, 10'000, 8);
  const std::uint64_t budget = 2'000'000;
  const std::optional<Allocation> found = AllocateWithin(items, budget);
  ASSERT_TRUE(found.has_value());
  EXPECT_LE(found->bytes, budget);
  EXPECT_GT(found->bytes, budget - 20);
}

}  // namespace
}  // namespace onnxquant
