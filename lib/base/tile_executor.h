// The one place where onnxquant starts threads.
#ifndef ONNXQUANT_LIB_BASE_TILE_EXECUTOR_H_
#define ONNXQUANT_LIB_BASE_TILE_EXECUTOR_H_

#include <atomic>
#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace onnxquant {

// Runs work(0) … work(count - 1), each once, on at most `threads` threads (0: one per core), and
// starts them in order, so that at most `threads` tiles are alive and a mapped file is read
// forward. After the first error, or once *cancelled is true, no further tile starts; the error of
// the lowest failed index is returned, or a kCancelled error. `cancelled` may be null.
absl::Status RunTiles(std::size_t count, int threads, const std::atomic<bool>* cancelled,
                      const std::function<absl::Status(std::size_t)>& work);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_TILE_EXECUTOR_H_
