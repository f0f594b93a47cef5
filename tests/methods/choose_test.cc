#include "lib/methods/choose.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/methods/gptq.h"
#include "lib/methods/search.h"

namespace onnxquant::methods {
namespace {

// One correlated statistic, under one name.
class OneStatistic : public FactorSource {
 public:
  absl::StatusOr<std::shared_ptr<const Factors>> Of(const Choice& choice, std::int64_t k) override {
    if (choice.statistic != "x") return absl::NotFoundError(choice.statistic);
    std::vector<float> moments(static_cast<std::size_t>(k * k), 0.9F);
    for (std::int64_t i = 0; i < k; ++i) moments[static_cast<std::size_t>(i * k + i)] = 1;
    auto made = Factor(moments, k, {});
    if (!made.ok()) return made.status();
    return std::make_shared<const Factors>(*std::move(made));
  }
  absl::Status CheckUnchanged() const override { return absl::OkStatus(); }
};

std::vector<float> Rows() {
  std::vector<float> rows(3 * 32);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * 37 % 29) - 11.3F;
  return rows;
}

bool Same(const Codes& a, const Codes& b) {
  return a.codes == b.codes && a.scales == b.scales && a.zero_points == b.zero_points;
}

TEST(Choose, CallsTheMethodOfThePlan) {
  const Grid grid{.bits = 4, .block = 16};
  const std::vector<float> rows = Rows();
  OneStatistic statistics;
  const auto searched = Choose({Method::kSearch, ""}, grid, rows, 32, nullptr);
  ASSERT_TRUE(searched.ok()) << searched.status();
  EXPECT_TRUE(Same(*searched, Search(grid, rows, 32, {})));
  const auto found = Choose({Method::kGptq, "x"}, grid, rows, 32, &statistics);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(Same(*found, Gptq(grid, rows, 32, **statistics.Of({Method::kGptq, "x"}, 32), {})));
  EXPECT_FALSE(Same(*found, *searched));
}

TEST(Choose, PassesOnThatAStatisticIsMissing) {
  OneStatistic statistics;
  EXPECT_EQ(Choose({Method::kGptq, "y"}, {}, Rows(), 32, &statistics).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Choose({Method::kGptq, "x"}, {}, Rows(), 32, nullptr).status().code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace onnxquant::methods
