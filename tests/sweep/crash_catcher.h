// Runs cases in child processes, so that one that crashes is a result and the others have theirs.
#ifndef ONNXQUANT_TESTS_SWEEP_CRASH_CATCHER_H_
#define ONNXQUANT_TESTS_SWEEP_CRASH_CATCHER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace onnxquant {

// Lets a child begin a case: false for cases before the one to go on from.
class CaseCounter {
 public:
  CaseCounter(char* name, std::size_t* counter, std::size_t first)
      : name_(name), counter_(counter), first_(first) {}
  bool Begin(const std::string& what);
  // Says what is wrong with the case that runs; the child goes on.
  void Fail(const std::string& why);
  const std::string& failures() const { return failures_; }

 private:
  char* name_;
  std::size_t* counter_;
  std::size_t first_;
  std::string failures_;
};

struct SweepResult {
  std::size_t cases = 0;
  std::vector<std::string> failures;  // crashes, endless cases, and what was said to Fail()
};

// Calls `run` in a child process; after a crash in another one, which goes on behind it. `run` must
// come to the same cases in the same order each time. A case that takes more than `seconds` of
// processor time or 4 GB of memory is a failure.
SweepResult CatchCrashes(int seconds, const std::function<void(CaseCounter&)>& run);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SWEEP_CRASH_CATCHER_H_
