#include "lib/base/tile_executor.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "lib/base/error.h"
#include "tbb/global_control.h"
#include "tbb/parallel_pipeline.h"
#include "tbb/task_arena.h"

namespace onnxquant {

absl::Status RunTiles(std::size_t count, int threads, const std::atomic<bool>* cancelled,
                      const std::function<absl::Status(std::size_t)>& work) {
  if (threads <= 0) {
    threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  std::mutex mutex;
  absl::Status first_error;
  std::size_t first_failed = count;
  std::atomic<bool> stop{false};
  std::size_t next = 0;
  const auto is_cancelled = [cancelled] {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  };
  const auto issue = [&](tbb::flow_control& flow) -> std::size_t {
    if (next == count || stop.load(std::memory_order_relaxed) || is_cancelled()) {
      flow.stop();
      return 0;
    }
    return next++;
  };
  const auto run = [&](std::size_t index) {
    absl::Status status = work(index);
    if (!status.ok()) {
      stop.store(true, std::memory_order_relaxed);
      const std::lock_guard<std::mutex> lock(mutex);
      if (index < first_failed) {
        first_failed = index;
        first_error = std::move(status);
      }
    }
  };
  // Without this, oneTBB grants no more workers than cores, and warns.
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_pipeline(
        static_cast<std::size_t>(threads),
        tbb::make_filter<void, std::size_t>(tbb::filter_mode::serial_in_order, issue) &
            tbb::make_filter<std::size_t, void>(tbb::filter_mode::parallel, run));
  });
  if (!first_error.ok()) return first_error;
  return CheckCancelled(cancelled);
}

}  // namespace onnxquant
