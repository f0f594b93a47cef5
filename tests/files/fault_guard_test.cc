#include "lib/files/fault_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

const std::size_t kPage = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
constexpr std::size_t kPages = 8;

// A file of x's, mapped.
class Mapping {
 public:
  explicit Mapping(const std::string& path) : size_(kPages * kPage) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    data_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0));
    close(file);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(data_, size_); }

  const char* data() const { return data_; }
  std::size_t size() const { return size_; }
  char At(std::size_t page) const { return static_cast<const volatile char*>(data_)[page * kPage]; }

 private:
  std::size_t size_;
  char* data_ = nullptr;
};

class FaultGuardTest : public ::testing::Test {
 protected:
  FaultGuardTest() { folder_.Write("file", std::string(kPages * kPage, 'x')); }
  void Shorten(std::size_t pages) { fs::resize_file(path_, pages * kPage); }

  TempFolder folder_;
  std::string path_ = folder_ / "file";
};
using FaultGuardDeathTest = FaultGuardTest;

TEST_F(FaultGuardTest, PutsZerosInPlaceOfWhatCannotBeRead) {
  const Mapping mapping(path_);
  const FaultGuard guard(mapping.data(), mapping.size());
  EXPECT_EQ(mapping.At(7), 'x');
  EXPECT_FALSE(guard.damaged());
  Shorten(3);
  EXPECT_EQ(mapping.At(2), 'x');
  EXPECT_FALSE(guard.damaged());
  EXPECT_EQ(mapping.At(5), '\0');
  EXPECT_TRUE(guard.damaged());
  EXPECT_EQ(mapping.At(3), '\0');
  EXPECT_EQ(mapping.At(2), 'x');
  EXPECT_TRUE(std::all_of(mapping.data() + 3 * kPage, mapping.data() + mapping.size(),
                          [](char c) { return c == '\0'; }));
}

TEST_F(FaultGuardTest, MarksTheDamagedMappingAlone) {
  const Mapping mapping(path_);
  const Mapping other(path_);
  const FaultGuard before(other.data(), other.size());
  FaultGuard guard(mapping.data(), mapping.size());
  Shorten(1);
  EXPECT_EQ(mapping.At(1), '\0');
  const FaultGuard moved = std::move(guard);
  EXPECT_TRUE(moved.damaged());
  EXPECT_FALSE(before.damaged());
}

TEST_F(FaultGuardTest, ForgetsTheMappingThatAPlaceHadBefore) {
  const Mapping mapping(path_);
  Shorten(1);
  {
    const FaultGuard guard(mapping.data(), mapping.size());
    EXPECT_EQ(mapping.At(1), '\0');
    EXPECT_TRUE(guard.damaged());
  }
  EXPECT_FALSE(FaultGuard(mapping.data(), mapping.size()).damaged());
}

TEST_F(FaultGuardTest, GuardsMoreMappingsThanAModelHasFiles) {
  constexpr std::size_t kMappings = 3000;
  std::vector<std::pair<std::unique_ptr<Mapping>, FaultGuard>> all;
  for (std::size_t i = 0; i < kMappings; ++i) {
    auto mapping = std::make_unique<Mapping>(path_);
    FaultGuard guard(mapping->data(), mapping->size());
    all.emplace_back(std::move(mapping), std::move(guard));
  }
  Shorten(1);
  for (const std::size_t i : {std::size_t{0}, kMappings / 2, kMappings - 1}) {
    EXPECT_EQ(all[i].first->At(2), '\0');
    EXPECT_TRUE(all[i].second.damaged());
  }
  EXPECT_FALSE(all[1].second.damaged());
  while (!all.empty()) {
    all.back().second = FaultGuard();
    all.pop_back();
  }
}

TEST_F(FaultGuardTest, LetsManyThreadsFaultAtOnce) {
  const Mapping mapping(path_);
  const FaultGuard guard(mapping.data(), mapping.size());
  Shorten(1);
  std::vector<std::thread> threads;
  std::vector<char> read(16, 'x');
  for (std::size_t i = 0; i < read.size(); ++i) {
    threads.emplace_back([&, i] { read[i] = mapping.At(1 + i % (kPages - 1)); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read, std::vector<char>(16, '\0'));
  EXPECT_TRUE(guard.damaged());
}

TEST_F(FaultGuardTest, TouchFindsWhatASystemCallOnlyFailsOn) {
  const Mapping mapping(path_);
  const FaultGuard guard(mapping.data(), mapping.size());
  Shorten(7);
  const int null = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(pwrite(null, mapping.data() + 7 * kPage, 10, 0), -1);
  close(null);
  EXPECT_FALSE(guard.damaged());
  FaultGuard::Touch(mapping.data(), mapping.size());
  EXPECT_TRUE(guard.damaged());
}

// Each dies in a process of its own, in which SIGBUS is handled as the test says when a guard takes
// over: sanitizers have handlers of their own.
void Handle(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  sigaction(SIGBUS, &action, nullptr);
}

TEST_F(FaultGuardDeathTest, LeavesAnotherFaultToTheDefault) {
  const auto die = [this] {
    std::signal(SIGBUS, SIG_DFL);
    const Mapping guarded(path_);
    const Mapping unguarded(path_);
    const FaultGuard guard(guarded.data(), guarded.size());
    Shorten(1);
    if (guarded.At(1) != '\0') _exit(9);
    _exit(unguarded.At(1));
  };
  EXPECT_EXIT(die(), KilledBySignal(SIGBUS), "");
}

TEST_F(FaultGuardDeathTest, LeavesASignalFromOutsideToTheDefault) {
  const auto die = [this] {
    std::signal(SIGBUS, SIG_DFL);
    const Mapping mapping(path_);
    const FaultGuard guard(mapping.data(), mapping.size());
    std::raise(SIGBUS);
    _exit(9);
  };
  EXPECT_EXIT(die(), KilledBySignal(SIGBUS), "");
}

TEST_F(FaultGuardDeathTest, KeepsIgnoringWhatTheProgramIgnored) {
  const auto die = [this] {
    std::signal(SIGBUS, SIG_IGN);
    const Mapping mapping(path_);
    const FaultGuard guard(mapping.data(), mapping.size());
    std::raise(SIGBUS);
    Shorten(1);
    _exit(mapping.At(1) == '\0' && guard.damaged() ? 7 : 9);
  };
  EXPECT_EXIT(die(), ExitedWithCode(7), "");
}

TEST_F(FaultGuardDeathTest, CallsTheHandlerThatWasThereWithTheFaultsPlace) {
  static const char* place = nullptr;
  const auto die = [this] {
    Handle([](int, siginfo_t* info, void*) { _exit(info->si_addr == place ? 7 : 8); });
    const Mapping guarded(path_);
    const Mapping unguarded(path_);
    const FaultGuard guard(guarded.data(), guarded.size());
    Shorten(1);
    place = unguarded.data() + 4 * kPage;
    if (guarded.At(4) != '\0') _exit(9);
    _exit(unguarded.At(4));
  };
  EXPECT_EXIT(die(), ExitedWithCode(7), "");
}

TEST_F(FaultGuardDeathTest, TakesOverFromAHandlerThatCameLater) {
  const auto die = [this] {
    const Mapping mapping(path_);
    const FaultGuard guard(mapping.data(), mapping.size());
    Handle([](int, siginfo_t*, void*) { _exit(8); });
    const FaultGuard again(mapping.data(), mapping.size());
    Shorten(1);
    _exit(mapping.At(1) == '\0' ? 7 : 9);
  };
  EXPECT_EXIT(die(), ExitedWithCode(7), "");
}

TEST_F(FaultGuardDeathTest, EndsWithAHandlerThatPutsItBackAndRaisesAgain) {
  // As Python's faulthandler does, where it is enabled after the first mapping.
  static struct sigaction before;
  const auto die = [this] {
    std::signal(SIGBUS, SIG_DFL);
    const Mapping guarded(path_);
    const Mapping unguarded(path_);
    const FaultGuard first(guarded.data(), guarded.size());
    sigaction(SIGBUS, nullptr, &before);
    Handle(
        [](int, siginfo_t*, void*) {
          sigaction(SIGBUS, &before, nullptr);
          std::raise(SIGBUS);
        },
        static_cast<int>(SA_NODEFER));
    const FaultGuard second(guarded.data(), guarded.size());
    Shorten(1);
    _exit(unguarded.At(1));
  };
  EXPECT_EXIT(die(), KilledBySignal(SIGBUS), "");
}

TEST_F(FaultGuardDeathTest, CallsAHandlerForOneCallOnlyOnce) {
  const auto die = [this] {
    Handle([](int, siginfo_t*, void*) {}, static_cast<int>(SA_RESETHAND));
    const Mapping guarded(path_);
    const Mapping unguarded(path_);
    const FaultGuard guard(guarded.data(), guarded.size());
    Shorten(1);
    _exit(unguarded.At(1));
  };
  EXPECT_EXIT(die(), KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace onnxquant
