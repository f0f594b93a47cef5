#include "lib/files/fault_guard.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <utility>

namespace onnxquant {

// The handler reads `begin`, `end` and `begin` again: equal and not zero, both are of one mapping,
// since a slot changes hands only through a `begin` of zero.
struct FaultGuard::Slot {
  std::atomic<std::uintptr_t> begin{0};  // 0: free
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> damaged{false};
  Slot* next_free = nullptr;  // read and written with the lock only
};

namespace {

using Slot = FaultGuard::Slot;

constexpr std::size_t kSlots = 64;  // of a block; there are as many blocks as mappings need
constexpr std::size_t kHandlers = 16;

struct Block {
  std::array<Slot, kSlots> slots;
  Block* next = nullptr;
};

// Blocks are never given back: a handler may be walking over them.
std::atomic<Block*> blocks{nullptr};
constinit std::mutex mutex;  // of all that changes; the handler takes no lock
Slot* free_slots = nullptr;
std::uintptr_t page_size = 0;

// The handlers that were there before, the latest last; written before `handlers` counts them.
std::array<struct sigaction, kHandlers> earlier;
std::atomic<std::size_t> handlers{0};
std::atomic<std::uint32_t> spent{0};  // those that have had their one call (SA_RESETHAND), by bit
// The thread that one of them runs in, and its place from the end. One that was installed after
// this handler may call back: then the one before it is meant.
std::atomic<pid_t> forwarding{0};
std::atomic<std::size_t> depth{0};

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free &&
                  std::atomic<Block*>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free,
              "a signal handler may only use lock-free atomics");

Slot* FindSlot(std::uintptr_t address) {
  for (Block* block = blocks.load(); block != nullptr; block = block->next) {
    for (Slot& slot : block->slots) {
      const std::uintptr_t begin = slot.begin.load();
      if (begin == 0 || address < begin) continue;
      if (address < slot.end.load() && slot.begin.load() == begin) return &slot;
    }
  }
  return nullptr;
}

bool PutZeros(std::uintptr_t address) {
  Slot* slot = FindSlot(address);
  if (slot == nullptr) return false;
  const std::uintptr_t end = slot->end.load();
  const std::uintptr_t page = address / page_size * page_size;
  slot->damaged.store(true);
  // All the rest: a page each would soon be more mappings than a process may have. The bare system
  // call, since sanitizers replace mmap() by something that no handler may call.
  const long mapped =
      syscall(SYS_mmap, page, end - page, PROT_READ,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, static_cast<long>(0));
  return mapped != -1;
}

// The default action: of a fault, by letting it happen once more.
void EndProcess(const siginfo_t* info) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &action, nullptr);
  if (info->si_code <= 0) raise(SIGBUS);
}

// Calls a handler as the kernel would have.
void Call(const struct sigaction& action, int signal, siginfo_t* info, void* context) {
  sigset_t blocked = action.sa_mask;
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if ((action.sa_flags & static_cast<int>(SA_NODEFER)) != 0) {
    sigemptyset(&blocked);
    sigaddset(&blocked, signal);
    pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  }
  if ((action.sa_flags & SA_SIGINFO) != 0) {
    action.sa_sigaction(signal, info, context);
  } else {
    action.sa_handler(signal);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool IsDefault(std::size_t index) {
  const struct sigaction& action = earlier[index];
  return (spent.load() & (1U << index)) != 0 ||
         ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL);
}

void Forward(int signal, siginfo_t* info, void* context) {
  const auto thread = static_cast<pid_t>(syscall(SYS_gettid));
  const std::size_t count = handlers.load();
  const std::size_t passed = forwarding.load() == thread ? depth.load() + 1 : 0;
  if (passed >= count || IsDefault(count - 1 - passed)) return EndProcess(info);
  const std::size_t index = count - 1 - passed;
  const struct sigaction& action = earlier[index];
  if ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN) {
    // What a program ignores is ignored, but for a fault, which the kernel lets nobody ignore.
    if (info->si_code > 0) EndProcess(info);
    return;
  }
  if ((action.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) spent.fetch_or(1U << index);
  // The first one knows nothing of this handler, and may leave by a jump: it needs no mark.
  pid_t nobody = 0;
  const bool marks =
      index > 0 && (passed > 0 || forwarding.compare_exchange_strong(nobody, thread));
  if (marks) depth.store(passed);
  Call(action, signal, info, context);
  if (marks && passed > 0) depth.store(passed - 1);
  if (marks && passed == 0) forwarding.store(0);
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  // Only a fault says where: kill() and raise() give no positive code.
  const bool ours = info->si_code > 0 && PutZeros(reinterpret_cast<std::uintptr_t>(info->si_addr));
  if (!ours) Forward(signal, info, context);
  errno = saved;
}

bool IsOurs(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == OnBusError;
}

// A plug-in that is unloaded must not leave a handler behind that is no more.
void StayLoaded() {
  Dl_info where = {};
  if (dladdr(reinterpret_cast<const void*>(&OnBusError), &where) == 0) return;
  // The handle is meant to leak: what it keeps is to stay.
  static_cast<void>(dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE));
}

// With the lock.
void Install() {
  struct sigaction now = {};
  if (sigaction(SIGBUS, nullptr, &now) != 0 || IsOurs(now)) return;
  const std::size_t count = handlers.load();
  if (count == earlier.size()) return;
  if (page_size == 0) {
    page_size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    StayLoaded();
  }
  earlier[count] = now;
  handlers.store(count + 1);
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  sigemptyset(&action.sa_mask);
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESTART);
  sigaction(SIGBUS, &action, nullptr);
}

// With the lock.
Slot* TakeSlot() {
  if (free_slots == nullptr) {
    auto* block = new Block;  // NOLINT(cppcoreguidelines-owning-memory): the list keeps it
    for (Slot& slot : block->slots) slot.next_free = std::exchange(free_slots, &slot);
    block->next = blocks.load();
    blocks.store(block);
  }
  return std::exchange(free_slots, free_slots->next_free);
}

}  // namespace

FaultGuard::FaultGuard(const void* data, std::size_t size) {
  const std::lock_guard<std::mutex> lock(mutex);
  Install();
  slot_ = TakeSlot();
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  slot_->damaged.store(false);
  slot_->end.store(begin + size);
  slot_->begin.store(begin);
}

FaultGuard::FaultGuard(FaultGuard&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}

FaultGuard& FaultGuard::operator=(FaultGuard&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

FaultGuard::~FaultGuard() {
  if (slot_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(mutex);
  slot_->begin.store(0);
  slot_->next_free = std::exchange(free_slots, slot_);
}

bool FaultGuard::damaged() const {
  return slot_ != nullptr && slot_->damaged.load();
}

void FaultGuard::Touch(const void* data, std::size_t size) {
  const volatile char* bytes = static_cast<const volatile char*>(data);
  constexpr std::size_t kLeastPage = 4096;
  for (std::size_t i = 0; i < size; i += kLeastPage) static_cast<void>(bytes[i]);
  if (size > 0) static_cast<void>(bytes[size - 1]);
}

}  // namespace onnxquant
