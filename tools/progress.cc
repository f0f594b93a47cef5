#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/report/table.h"

namespace onnxquant::cli {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kRedraw{100};

// "594.3 MB of 1.14 GB", "12,800 of 24,576 tokens".
std::string AmountText(std::uint64_t done, std::uint64_t total, Progress::Unit unit) {
  if (unit == Progress::Unit::kBytes) {
    return absl::StrCat(HumanBytes(done), " of ", HumanBytes(total));
  }
  return absl::StrCat(WithSeparators(done), " of ", WithSeparators(total), " tokens");
}

std::string RateText(double rate, Progress::Unit unit) {
  const auto whole = static_cast<std::uint64_t>(rate);
  return unit == Progress::Unit::kBytes ? HumanBytes(whole)
                                        : absl::StrCat(WithSeparators(whole), " tokens");
}

}  // namespace

Progress::Progress(bool enabled, Unit unit)
    : enabled_(enabled), unit_(unit), terminal_(isatty(STDERR_FILENO) != 0) {}

std::string Progress::Line(std::uint64_t done, std::uint64_t total, double seconds, int width,
                           Unit unit) {
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(share * width);
  std::string bar(filled, '#');
  bar.resize(static_cast<std::size_t>(width), ' ');
  std::string line = absl::StrFormat("[%s] %3d %%  %s", bar, static_cast<int>(share * 100),
                                     AmountText(done, total, unit));
  if (seconds > 0.2 && done > 0) {
    const double rate = static_cast<double>(done) / seconds;
    const double left = static_cast<double>(total - done) / rate;
    line += absl::StrFormat("  %s/s  %.0f s left", RateText(rate, unit), left);
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
    std::fprintf(stderr, "\r\033[K%s", Line(done, total, seconds, kBarWidth, unit_).c_str());
    std::fflush(stderr);
    return;
  }
  // Without a terminal: one line per tenth, and only for work that takes a while.
  const int tenth = total == 0 ? 10 : static_cast<int>(done * 10 / total);
  if (tenth == last_tenth_ || seconds < 5) return;
  last_tenth_ = tenth;
  std::fprintf(stderr, "%d %%: %s\n", tenth * 10, AmountText(done, total, unit_).c_str());
}

void Progress::Finish() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace onnxquant::cli
