#include "tests/sweep/crash_catcher.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace onnxquant {
namespace {

constexpr std::size_t kNameBytes = 512;
constexpr std::size_t kTextBytes = std::size_t{1} << 20;
constexpr rlim_t kMemory = rlim_t{4} << 30;

// What parent and child share.
struct Shared {
  std::size_t begun;  // cases that were begun, those passed over included
  bool done;
  char name[kNameBytes];
  char failures[kTextBytes];
};

int seconds_per_case = 0;

void StartClock() {
  const itimerval timer = {{0, 0}, {seconds_per_case, 0}};
  setitimer(ITIMER_VIRTUAL, &timer, nullptr);
}

}  // namespace

bool CaseCounter::Begin(const std::string& what) {
  const std::size_t index = (*counter_)++;
  if (index < first_) return false;
  std::strncpy(name_, what.c_str(), kNameBytes - 1);
  StartClock();
  return true;
}

void CaseCounter::Fail(const std::string& why) {
  absl::StrAppend(&failures_, name_, ": ", why, "\n");
}

SweepResult CatchCrashes(int seconds, const std::function<void(CaseCounter&)>& run) {
  seconds_per_case = seconds;
  SweepResult result;
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::size_t first = 0;
  do {
    std::memset(shared, 0, sizeof(Shared));
    const pid_t child = fork();
    if (child == 0) {
#ifndef __SANITIZE_ADDRESS__
      const rlimit memory = {kMemory, kMemory};
      setrlimit(RLIMIT_AS, &memory);
#endif
      const rlimit core = {0, 0};
      setrlimit(RLIMIT_CORE, &core);
      CaseCounter counter(shared->name, &shared->begun, first);
      run(counter);
      std::strncpy(shared->failures, counter.failures().c_str(), kTextBytes - 1);
      shared->done = true;
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    for (const absl::string_view line : absl::StrSplit(shared->failures, '\n', absl::SkipEmpty())) {
      result.failures.emplace_back(line);
    }
    if (!shared->done) {
      const std::string how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit";
      result.failures.push_back(absl::StrCat(shared->name, ": ", how));
    }
    result.cases = shared->begun;
    first = shared->begun;
  } while (!shared->done);
  munmap(shared, sizeof(Shared));
  return result;
}

}  // namespace onnxquant
