#include "lib/statistics/factor_cache.h"

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

auto Of(FactorCache& cache, const char* value, std::int64_t k, const char* gradient = "") {
  return cache.Of({methods::Method::kGptq, value, gradient}, k);
}

class FactorCacheTest : public ::testing::Test {
 protected:
  CalibrationFile Write(float last = 9, bool gradients = false) {
    Statistics statistics;
    statistics.metadata = {{"fingerprint", "0123456789abcdef"}};
    statistics.moments = {{"a", 2, 7, {4, -1, -1, 2}}, {"b", 2, 7, {1, 0, 0, last}}};
    if (gradients) {
      statistics.gradients = {{"y", false, 2, 3, 5, {1, 0.5F, 0.5F, 3}, {1, 1, 2}},
                              {"z", false, 3, 1, 5, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {3}}};
    }
    std::string file;
    EXPECT_TRUE(
        WriteCalibration(statistics, [&file](std::uint64_t, absl::Span<const std::byte> bytes) {
          file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return absl::OkStatus();
        }).ok());
    folder_.Write("c", file);
    auto opened = CalibrationFile::Open(folder_ / "c");
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  TempFolder folder_;
};

TEST_F(FactorCacheTest, MakesTheFactorsOfAValueOnce) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 1 << 20);
  const auto first = Of(cache, "a", 2);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->k, 2);
  EXPECT_EQ(*Of(cache, "a", 2), *first);
  EXPECT_NE(*Of(cache, "b", 2), *first);
}

TEST_F(FactorCacheTest, KeepsTheLastOneAndWhatIsHeldWhereMemoryIsShort) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 0);
  std::weak_ptr<const methods::Factors> a = *Of(cache, "a", 2);
  EXPECT_FALSE(a.expired());
  ASSERT_TRUE(Of(cache, "b", 2).ok());
  EXPECT_TRUE(a.expired());
  const auto held = *Of(cache, "a", 2);
  ASSERT_TRUE(Of(cache, "b", 2).ok());
  EXPECT_EQ(*Of(cache, "a", 2), held);
}

TEST_F(FactorCacheTest, GivesThreadsTheSame) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 1 << 20);
  std::vector<std::shared_ptr<const methods::Factors>> found(8);
  std::vector<std::thread> threads;
  for (auto& each : found) threads.emplace_back([&] { each = *Of(cache, "a", 2); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& each : found) EXPECT_EQ(each, found[0]);
}

TEST_F(FactorCacheTest, NamesWhatTheFileLacks) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 1 << 20);
  const auto message = [&](const char* value, std::int64_t k) {
    const auto found = Of(cache, value, k);
    EXPECT_EQ(KindOf(found.status()), ErrorKind::kUsage);
    return std::string(found.status().message());
  };
  EXPECT_THAT(message("c", 2), HasSubstr("has no moments of 'c' over 2 inputs"));
  EXPECT_THAT(message("a", 3), HasSubstr("has no moments of 'a' over 3 inputs"));
}

TEST_F(FactorCacheTest, MixesMomentsWithThoseThatGradientsWeigh) {
  const CalibrationFile file = Write(9, true);
  FactorCache cache(file, 1 << 20);
  const auto plain = Of(cache, "a", 2);
  const auto mixed = Of(cache, "a", 2, "y");
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_EQ(*Of(cache, "a", 2, "y"), *mixed);
  EXPECT_EQ(*Of(cache, "a", 2), *plain);
  // Of means 3 and 2: halves of [4, -1, -1, 2] / 3 and of [1, 0.5, 0.5, 3] / 2, whose mean is 1.
  EXPECT_NEAR((*mixed)->moments[0], 2.0 / 3 + 0.25 + 0.01, 1e-6);
  EXPECT_NEAR((*mixed)->moments[1], -1.0 / 6 + 0.125, 1e-6);
  EXPECT_NEAR((*mixed)->moments[3], 1.0 / 3 + 0.75 + 0.01, 1e-6);
}

TEST_F(FactorCacheTest, NamesGradientsThatTheFileLacks) {
  const CalibrationFile file = Write(9, true);
  FactorCache cache(file, 1 << 20);
  for (const char* gradient : {"a", "z"}) {
    const auto found = Of(cache, "a", 2, gradient);
    EXPECT_EQ(KindOf(found.status()), ErrorKind::kUsage);
    EXPECT_THAT(std::string(found.status().message()),
                HasSubstr(absl::StrCat("has no gradients at '", gradient, "' over 2 inputs")));
  }
}

TEST_F(FactorCacheTest, RefusesSumsThatAreNone) {
  const CalibrationFile file = Write(std::numeric_limits<float>::quiet_NaN());
  FactorCache cache(file, 1 << 20);
  EXPECT_THAT(std::string(Of(cache, "b", 2).status().message()), HasSubstr("a finite number"));
}

}  // namespace
}  // namespace onnxquant
