#include "tools/interrupt.h"

#include <unistd.h>

#include <csignal>

#include "tools/command_line.h"

namespace onnxquant::cli {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> held{false};
static_assert(std::atomic<bool>::is_always_lock_free,
              "a signal handler may only use lock-free atomics");

// Calls only what a signal handler may call.
[[noreturn]] void End() {
  constexpr char kMessage[] = "onnxquant: interrupted\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  _exit(static_cast<int>(ExitStatus::kInterrupted));
}

extern "C" void OnInterrupt(int signal) {
  if (!held) End();
  if (interrupted.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

const std::atomic<bool>* CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // What nohup, or a shell for its background jobs, has told us to ignore stays ignored.
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk
  return &interrupted;
}

void HoldInterrupts() {
  held = true;
}

void ReleaseInterrupts() {
  held = false;
  if (interrupted) End();
}

}  // namespace onnxquant::cli
