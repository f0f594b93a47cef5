#include "python/bindings/background.h"

#include <chrono>
#include <exception>
#include <future>
#include <string>

#include "onnxquant/error.h"

namespace onnxquant::python {
namespace {

namespace py = pybind11;

constexpr auto kPatience = std::chrono::milliseconds(50);

const char* ExceptionOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "UsageError";
    case ErrorKind::kModel:
      return "ModelError";
    case ErrorKind::kPolicy:
      return "PolicyError";
    case ErrorKind::kWrite:
      return "WriteError";
    case ErrorKind::kVerify:
      return "VerifyError";
    case ErrorKind::kCancelled:
      return "CancelledError";
    case ErrorKind::kInternal:
      break;
  }
  return "InternalError";
}

// Waits without the interpreter's lock.
bool IsDone(const std::future<void>& work, std::chrono::milliseconds patience) {
  const py::gil_scoped_release release;
  return work.wait_for(patience) == std::future_status::ready;
}

}  // namespace

void RunBeside(const std::function<void(Course&)>& work, const py::object& progress) {
  Course course;
  std::future<void> running = std::async(std::launch::async, [&] { work(course); });
  std::exception_ptr raised;
  std::uint64_t shown = 0;
  const auto show = [&] {
    const std::uint64_t done = course.done;
    if (progress.is_none() || done == shown) return;
    shown = done;
    progress(done, course.total.load());
  };
  while (!IsDone(running, kPatience)) {
    if (raised != nullptr) continue;  // it is stopping
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      show();
    } catch (const py::error_already_set&) {
      raised = std::current_exception();
      course.cancelled = true;
    }
  }
  if (raised != nullptr) std::rethrow_exception(raised);
  running.get();
  show();
}

void Raise(const absl::Status& status) {
  const py::object errors = py::module_::import("onnxquant.errors");
  const py::object message = errors.attr("in_python")(std::string(status.message()));
  PyErr_SetObject(errors.attr(ExceptionOf(KindOf(status))).ptr(), message.ptr());
  throw py::error_already_set();
}

}  // namespace onnxquant::python
