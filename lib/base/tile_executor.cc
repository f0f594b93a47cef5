#include "lib/base/tile_executor.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "lib/base/error.h"
#include "tbb/global_control.h"
#include "tbb/parallel_pipeline.h"
#include "tbb/task_arena.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace onnxquant {
namespace {

// Tells ThreadSanitizer of the order that oneTBB, which it cannot see into, keeps: what stands
// before Release() happened before what stands behind an Acquire() of the same mark.
class Order {
 public:
#ifdef __SANITIZE_THREAD__
  void Release() {
    __tsan_release(&mark_);
  }
  void Acquire() {
    __tsan_acquire(&mark_);
  }
#else
  void Release() {}
  void Acquire() {}
#endif

 private:
  [[maybe_unused]] char mark_ = 0;
};

// A filter's own captures are read before it can say what it comes after, and oneTBB's order is not
// seen: ThreadSanitizer leaves out such a function, though not what is called from it.
#define ONNXQUANT_UNSEEN_ORDER __attribute__((no_sanitize("thread")))

// What comes after one mark and, at its end, before another.
class Turn {
 public:
  Turn(Order& after, Order& before) : before_(before) { after.Acquire(); }
  ~Turn() { before_.Release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Order& before_;
};

}  // namespace

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
  // The caller comes before every tile, one tile's number before the next, and numbers and tiles
  // before the caller goes on. Tiles have no order among themselves.
  Order started;
  Order issued;
  Order done;
  const auto issue = [&](tbb::flow_control& flow) ONNXQUANT_UNSEEN_ORDER -> std::size_t {
    const Turn turn(issued, issued);
    started.Acquire();
    if (next == count || stop.load(std::memory_order_relaxed) || is_cancelled()) {
      flow.stop();
      return 0;
    }
    return next++;
  };
  const auto run = [&](std::size_t index) ONNXQUANT_UNSEEN_ORDER {
    const Turn turn(started, done);
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
  started.Release();
  arena.execute([&] {
    tbb::parallel_pipeline(
        static_cast<std::size_t>(threads),
        tbb::make_filter<void, std::size_t>(tbb::filter_mode::serial_in_order, issue) &
            tbb::make_filter<std::size_t, void>(tbb::filter_mode::parallel, run));
  });
  done.Acquire();
  issued.Acquire();
  if (!first_error.ok()) return first_error;
  return CheckCancelled(cancelled);
}

}  // namespace onnxquant
