#include "lib/policy/min_cut.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using Costs = std::vector<std::tuple<int, int, std::int64_t>>;

std::int64_t CostOf(const Costs& costs, const std::vector<bool>& first) {
  std::int64_t total = 0;
  for (const auto& [from, to, cost] : costs) {
    if (first[static_cast<std::size_t>(from)] && !first[static_cast<std::size_t>(to)]) {
      total += cost;
    }
  }
  return total;
}

TEST(MinCut, PutsAVertexWhereItCostsLess) {
  MinCut cut;
  const int a = cut.AddVertex();
  cut.AddCost(MinCut::kFirstSide, a, 2);
  cut.AddCost(a, MinCut::kSecondSide, 3);
  const int b = cut.AddVertex();
  cut.AddCost(MinCut::kFirstSide, b, 3);
  cut.AddCost(b, MinCut::kSecondSide, 2);
  const std::vector<bool> first = cut.Solve();
  EXPECT_FALSE(first[static_cast<std::size_t>(a)]);
  EXPECT_TRUE(first[static_cast<std::size_t>(b)]);
}

TEST(MinCut, LeavesWhatNothingTiesOnTheSecondSide) {
  MinCut cut;
  const int a = cut.AddVertex();
  EXPECT_FALSE(cut.Solve()[static_cast<std::size_t>(a)]);
}

TEST(MinCut, IsAsCheapAsTheBestOfAllAssignments) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    constexpr int kVertices = 7;
    MinCut cut;
    for (int i = 2; i < kVertices; ++i) cut.AddVertex();
    Costs costs;
    for (int i = 0; i < 14; ++i) {
      const int from = static_cast<int>(random() % kVertices);
      const int to = static_cast<int>(random() % kVertices);
      const auto cost = static_cast<std::int64_t>(random() % 9);
      costs.emplace_back(from, to, cost);
      cut.AddCost(from, to, cost);
    }
    std::int64_t best = MinCut::kForbidden;
    for (unsigned bits = 0; bits < 1U << (kVertices - 2); ++bits) {
      std::vector<bool> first = {true, false};
      for (int i = 0; i < kVertices - 2; ++i) first.push_back((bits >> i & 1U) != 0);
      best = std::min(best, CostOf(costs, first));
    }
    const std::vector<bool> solved = cut.Solve();
    EXPECT_TRUE(solved[MinCut::kFirstSide]);
    EXPECT_FALSE(solved[MinCut::kSecondSide]);
    EXPECT_EQ(CostOf(costs, solved), best) << "round " << round;
  }
}

TEST(MinCut, WalksAChainOfAHundredThousandVertices) {
  MinCut cut;
  int last = MinCut::kFirstSide;
  for (int i = 0; i < 100'000; ++i) {
    const int next = cut.AddVertex();
    cut.AddCost(last, next, i == 50'000 ? 1 : 2);
    last = next;
  }
  cut.AddCost(last, MinCut::kSecondSide, 2);
  const std::vector<bool> first = cut.Solve();
  EXPECT_TRUE(first[50'001]);
  EXPECT_FALSE(first[50'002]);
}

}  // namespace
}  // namespace onnxquant
