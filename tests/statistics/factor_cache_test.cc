#include "lib/statistics/factor_cache.h"

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

class FactorCacheTest : public ::testing::Test {
 protected:
  CalibrationFile Write(float last = 9) {
    Statistics statistics;
    statistics.metadata = {{"fingerprint", "0123456789abcdef"}};
    statistics.moments = {{"a", 2, 7, {4, -1, -1, 2}}, {"b", 2, 7, {1, 0, 0, last}}};
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
  const auto first = cache.Of("a", 2);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->k, 2);
  EXPECT_EQ(*cache.Of("a", 2), *first);
  EXPECT_NE(*cache.Of("b", 2), *first);
}

TEST_F(FactorCacheTest, KeepsTheLastOneAndWhatIsHeldWhereMemoryIsShort) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 0);
  std::weak_ptr<const methods::Factors> a = *cache.Of("a", 2);
  EXPECT_FALSE(a.expired());
  ASSERT_TRUE(cache.Of("b", 2).ok());
  EXPECT_TRUE(a.expired());
  const auto held = *cache.Of("a", 2);
  ASSERT_TRUE(cache.Of("b", 2).ok());
  EXPECT_EQ(*cache.Of("a", 2), held);
}

TEST_F(FactorCacheTest, GivesThreadsTheSame) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 1 << 20);
  std::vector<std::shared_ptr<const methods::Factors>> found(8);
  std::vector<std::thread> threads;
  for (auto& each : found) threads.emplace_back([&] { each = *cache.Of("a", 2); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& each : found) EXPECT_EQ(each, found[0]);
}

TEST_F(FactorCacheTest, NamesWhatTheFileLacks) {
  const CalibrationFile file = Write();
  FactorCache cache(file, 1 << 20);
  const auto message = [&](const char* value, std::int64_t k) {
    const auto found = cache.Of(value, k);
    EXPECT_EQ(KindOf(found.status()), ErrorKind::kUsage);
    return std::string(found.status().message());
  };
  EXPECT_THAT(message("c", 2), HasSubstr("has no moments of 'c' over 2 inputs"));
  EXPECT_THAT(message("a", 3), HasSubstr("has no moments of 'a' over 3 inputs"));
}

TEST_F(FactorCacheTest, RefusesSumsThatAreNone) {
  const CalibrationFile file = Write(std::numeric_limits<float>::quiet_NaN());
  FactorCache cache(file, 1 << 20);
  EXPECT_THAT(std::string(cache.Of("b", 2).status().message()), HasSubstr("a finite number"));
}

}  // namespace
}  // namespace onnxquant
