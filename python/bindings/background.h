// Long work, run beside the interpreter: other Python threads go on, Ctrl-C works.
#ifndef ONNXQUANT_PYTHON_BINDINGS_BACKGROUND_H_
#define ONNXQUANT_PYTHON_BINDINGS_BACKGROUND_H_

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace onnxquant::python {

// How far the work is: written by the work's threads, read by the interpreter's.
struct Course {
  std::atomic<bool> cancelled{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> total{0};
};

// Runs `work` in a thread of its own without the interpreter's lock, and waits for it. Meanwhile
// `progress(done, total)` is called (unless it is None) when they have changed, a few times a
// second and once at the end. When a signal handler or `progress` raises, the work is cancelled,
// and the exception goes on once it has stopped. Call with the lock held.
void RunBeside(const std::function<void(Course&)>& work, const pybind11::object& progress);

// Raises the package's exception for an error (onnxquant.errors).
[[noreturn]] void Raise(const absl::Status& status);
inline void RaiseIfError(const absl::Status& status) {
  if (!status.ok()) Raise(status);
}

// The value of such work, or its error as an exception.
template <typename T>
T Await(const std::function<absl::StatusOr<T>(Course&)>& work, const pybind11::object& progress) {
  std::optional<absl::StatusOr<T>> result;
  RunBeside([&](Course& course) { result.emplace(work(course)); }, progress);
  RaiseIfError(result->status());
  return **std::move(result);
}

}  // namespace onnxquant::python

#endif  // ONNXQUANT_PYTHON_BINDINGS_BACKGROUND_H_
