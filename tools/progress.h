// Progress on stderr: a bar on a terminal, a line now and then elsewhere.
#ifndef ONNXQUANT_TOOLS_PROGRESS_H_
#define ONNXQUANT_TOOLS_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace onnxquant::cli {

class Progress {
 public:
  enum class Unit { kBytes, kTokens };

  // Draws nothing when `enabled` is false.
  explicit Progress(bool enabled, Unit unit = Unit::kBytes);
  void Update(std::uint64_t done, std::uint64_t total);
  // Clears the bar.
  void Finish();

  // "[#####     ]  52 %  594.3 MB of 1.14 GB  812.0 MB/s  1 s left"
  // "[#####     ]  52 %  12,800 of 24,576 tokens  171 tokens/s  69 s left"
  static std::string Line(std::uint64_t done, std::uint64_t total, double seconds, int width,
                          Unit unit = Unit::kBytes);

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  Unit unit_;
  bool terminal_;
  bool drawn_ = false;
  int last_tenth_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_PROGRESS_H_
