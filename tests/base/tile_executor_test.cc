#include "lib/base/tile_executor.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

TEST(TileExecutor, RunsEveryTileOnceForAnyThreadCount) {
  for (const int threads : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> runs(1000);
    ASSERT_TRUE(RunTiles(runs.size(), threads, nullptr, [&](std::size_t i) {
                  runs[i].fetch_add(1);
                  return absl::OkStatus();
                }).ok());
    for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
  }
}

TEST(TileExecutor, KeepsAtMostTheGivenNumberOfTilesAlive) {
  std::atomic<int> alive{0}, peak{0};
  ASSERT_TRUE(RunTiles(200, 2, nullptr, [&](std::size_t) {
                const int now = alive.fetch_add(1) + 1;
                int seen = peak.load();
                while (now > seen && !peak.compare_exchange_weak(seen, now)) {
                }
                alive.fetch_sub(1);
                return absl::OkStatus();
              }).ok());
  EXPECT_LE(peak.load(), 2);
}

TEST(TileExecutor, StopsAtTheFirstErrorAndReturnsIt) {
  std::atomic<int> started{0};
  const absl::Status status = RunTiles(10000, 1, nullptr, [&](std::size_t i) {
    started.fetch_add(1);
    return i == 3 ? ModelError("tile ", i) : absl::OkStatus();
  });
  EXPECT_EQ(status.message(), "tile 3");
  EXPECT_EQ(started.load(), 4);
}

// Where there is but one worker, only the first tile runs, and fails.
TEST(TileExecutor, ReturnsTheErrorOfTheLowestTileWhicheverFailsLast) {
  using std::chrono::milliseconds;
  for (const std::size_t fails_first : {0U, 1U}) {
    std::atomic<int> begun{0};
    std::atomic<bool> failed{false};
    const auto wait = [](const std::function<bool()>& until) {
      for (int i = 0; i < 1000 && !until(); ++i) std::this_thread::sleep_for(milliseconds(1));
    };
    const absl::Status status = RunTiles(2, 2, nullptr, [&](std::size_t i) {
      begun.fetch_add(1);
      wait([&] { return begun.load() == 2; });
      if (i == fails_first) {
        failed = true;
      } else {
        wait([&] { return failed.load(); });
        std::this_thread::sleep_for(milliseconds(30));
      }
      return ModelError("tile ", i);
    });
    EXPECT_EQ(status.message(), "tile 0") << fails_first;
  }
}

TEST(TileExecutor, StopsWhenCancelled) {
  std::atomic<bool> cancelled{false};
  std::atomic<int> started{0};
  const absl::Status status = RunTiles(10000, 1, &cancelled, [&](std::size_t) {
    if (started.fetch_add(1) == 9) cancelled = true;
    return absl::OkStatus();
  });
  EXPECT_EQ(KindOf(status), ErrorKind::kCancelled);
  EXPECT_EQ(started.load(), 10);
}

}  // namespace
}  // namespace onnxquant
