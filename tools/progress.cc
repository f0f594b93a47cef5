#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "absl/strings/str_format.h"
#include "lib/report/table.h"

namespace onnxquant::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

Progress::Progress(bool enabled) : enabled_(enabled), terminal_(isatty(STDERR_FILENO) != 0) {}

std::string Progress::Line(std::uint64_t done, std::uint64_t total, double seconds, int width) {
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * width);
  std::string bar(filled, '#');
  bar.resize(static_cast<std::size_t>(width), ' ');
  std::string line = absl::StrFormat("[%s] %3d %%  %s of %s", bar, static_cast<int>(share * 100),
                                     HumanBytes(done), HumanBytes(total));
  if (seconds > 0.2 && done > 0) {
    const double rate = static_cast<double>(done) / seconds;
    const double left = static_cast<double>(total - done) / rate;
    line +=
        absl::StrFormat("  %s/s  %.0f s left", HumanBytes(static_cast<std::uint64_t>(rate)), left);
  }
  return line;
}

void Progress::Update(std::uint64_t done, std::uint64_t total) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    if (now - last_ < kRedraw && done != total) return;
    last_ = now;
    drawn_ = true;
    std::fprintf(stderr, "\r\033[K%s", Line(done, total, seconds, kBarWidth).c_str());
    std::fflush(stderr);
    return;
  }
  // Without a terminal: one line per tenth, and only for work that takes a while.
  const int tenth = total == 0 ? 10 : static_cast<int>(done * 10 / total);
  if (tenth == last_tenth_ || seconds < 5) return;
  last_tenth_ = tenth;
  std::fprintf(stderr, "%d %%: %s of %s\n", tenth * 10, HumanBytes(done).c_str(),
               HumanBytes(total).c_str());
}

void Progress::Finish() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace onnxquant::cli
