// A library to preload: the n-th system call that writes, or that orders writes, fails or ends the
// process. ONNXQUANT_FAULT is "<kind>:<n>" with a kind of ENOSPC, EIO, EINTR, SHORT (half of a
// write is done), EINVAL, KILL or DEAD (EIO from there on); n from 1. With n = 0 nothing fails.
// ONNXQUANT_FAULT_LOG names a file that receives the calls' names, a line each. ONNXQUANT_WITHOUT
// lists what the file system cannot do: "unnamed" files, "exchange" (and renaming that replaces
// nothing), hard "links", "locks".
//
// Declared here and not by headers, whose declarations differ in attributes.
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <atomic>

using Size = unsigned long;
using Offset = long;
extern "C" long syscall(long number, ...) noexcept;

constexpr int kWriteOnly = 1;
constexpr int kReadWrite = 2;
constexpr int kCreate = 0100;
constexpr int kAppend = 02000;
constexpr int kFolder = 0200000;
constexpr int kUnnamed = 020000000;
constexpr int kFollow = 0x400;
constexpr int kHere = -100;

namespace {

enum class Verdict { kGoOn, kFail, kHalf };

struct Plan {
  long at = 0;
  bool kill = false;
  bool half = false;
  bool dead = false;
  int error = EIO;
  int log = -1;
};

Plan ReadPlan() {
  Plan plan;
  if (const char* path = getenv("ONNXQUANT_FAULT_LOG")) {
    plan.log =
        static_cast<int>(syscall(SYS_openat, kHere, path, kWriteOnly | kCreate | kAppend, 0666));
  }
  const char* text = getenv("ONNXQUANT_FAULT");
  const char* colon = text == nullptr ? nullptr : strchr(text, ':');
  if (colon == nullptr) return plan;
  plan.at = strtol(colon + 1, nullptr, 10);
  const auto is = [&](const char* kind) {
    return strncmp(text, kind, static_cast<Size>(colon - text)) == 0;
  };
  plan.kill = is("KILL");
  plan.half = is("SHORT");
  plan.dead = is("DEAD");
  if (is("ENOSPC")) plan.error = ENOSPC;
  if (is("EINTR")) plan.error = EINTR;
  if (is("EINVAL")) plan.error = EINVAL;
  return plan;
}

const Plan& ThePlan() {
  static const Plan plan = ReadPlan();
  return plan;
}

std::atomic<long> calls{0};

Verdict Count(const char* name) {
  const Plan& plan = ThePlan();
  if (plan.log >= 0) {
    char line[64] = {};
    strncpy(line, name, sizeof line - 2);
    line[strlen(line)] = '\n';
    syscall(SYS_write, plan.log, line, strlen(line));
  }
  const long call = ++calls;
  if (plan.dead ? plan.at == 0 || call < plan.at : call != plan.at) return Verdict::kGoOn;
  if (plan.kill) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  if (plan.half) return Verdict::kHalf;
  errno = plan.error;
  return Verdict::kFail;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool Writes(int flags) {
  return (flags & (kWriteOnly | kReadWrite | kCreate | kFolder)) != 0;
}

bool Without(const char* what) {
  const char* list = getenv("ONNXQUANT_WITHOUT");
  return list != nullptr && strstr(list, what) != nullptr;
}

int Fail(int error) {
  errno = error;
  return -1;
}

int ModeOf(int flags, va_list& rest) {
  const bool has_mode = (flags & kCreate) != 0 || (flags & kUnnamed) != 0;
  return has_mode ? va_arg(rest, int) : 0;
}

}  // namespace

extern "C" {

#define FAULTS_OPEN(name)                                              \
  int name(const char* path, int flags, ...) {                         \
    va_list rest;                                                      \
    va_start(rest, flags);                                             \
    const int mode = ModeOf(flags, rest);                              \
    va_end(rest);                                                      \
    if (Writes(flags) && Count(#name) == Verdict::kFail) return -1;    \
    return Real<int(const char*, int, ...)>(#name)(path, flags, mode); \
  }
FAULTS_OPEN(open)
FAULTS_OPEN(open64)

#define FAULTS_OPENAT(name)                                                         \
  int name(int folder, const char* path, int flags, ...) {                          \
    va_list rest;                                                                   \
    va_start(rest, flags);                                                          \
    const int mode = ModeOf(flags, rest);                                           \
    va_end(rest);                                                                   \
    if ((flags & kUnnamed) != 0 && Without("unnamed")) return Fail(EOPNOTSUPP);     \
    if (Writes(flags) && Count(#name) == Verdict::kFail) return -1;                 \
    return Real<int(int, const char*, int, ...)>(#name)(folder, path, flags, mode); \
  }
FAULTS_OPENAT(openat)
FAULTS_OPENAT(openat64)

#define FAULTS_PWRITE(name)                                                         \
  long name(int file, const void* data, Size size, Offset at) {                     \
    const Verdict verdict = Count(#name);                                           \
    if (verdict == Verdict::kFail) return -1;                                       \
    if (verdict == Verdict::kHalf && size > 1) size /= 2;                           \
    return Real<long(int, const void*, Size, Offset)>(#name)(file, data, size, at); \
  }
FAULTS_PWRITE(pwrite)
FAULTS_PWRITE(pwrite64)

#define FAULTS_RESERVE(name)                                      \
  int name(int file, Offset at, Offset size) {                    \
    if (Count(#name) == Verdict::kFail) return errno;             \
    return Real<int(int, Offset, Offset)>(#name)(file, at, size); \
  }
FAULTS_RESERVE(posix_fallocate)
FAULTS_RESERVE(posix_fallocate64)

// Calls that fail with -1 and do nothing else of note.
#define FAULTS_CALL(name, parameters, ...)           \
  int name parameters {                              \
    if (Count(#name) == Verdict::kFail) return -1;   \
    return Real<int parameters>(#name)(__VA_ARGS__); \
  }
FAULTS_CALL(fsync, (int file), file)
FAULTS_CALL(fdatasync, (int file), file)
FAULTS_CALL(ftruncate, (int file, Offset size), file, size)
FAULTS_CALL(ftruncate64, (int file, Offset size), file, size)
FAULTS_CALL(fchmod, (int file, unsigned mode), file, mode)
FAULTS_CALL(fchown, (int file, unsigned user, unsigned group), file, user, group)
FAULTS_CALL(mkdir, (const char* path, unsigned mode), path, mode)
FAULTS_CALL(mkdirat, (int folder, const char* path, unsigned mode), folder, path, mode)
FAULTS_CALL(rmdir, (const char* path), path)
FAULTS_CALL(unlink, (const char* path), path)
FAULTS_CALL(unlinkat, (int folder, const char* path, int flags), folder, path, flags)
FAULTS_CALL(rename, (const char* from, const char* to), from, to)
FAULTS_CALL(renameat, (int a, const char* from, int b, const char* to), a, from, b, to)
FAULTS_CALL(link, (const char* from, const char* to), from, to)
FAULTS_CALL(symlink, (const char* to, const char* path), to, path)

int renameat2(int a, const char* from, int b, const char* to, unsigned flags) {
  if (Count("renameat2") == Verdict::kFail) return -1;
  if (flags != 0 && Without("exchange")) return Fail(EINVAL);
  return Real<int(int, const char*, int, const char*, unsigned)>("renameat2")(a, from, b, to,
                                                                              flags);
}

// A file without a name gets its first one all the same.
int linkat(int a, const char* from, int b, const char* to, int flags) {
  if (Count("linkat") == Verdict::kFail) return -1;
  if ((flags & kFollow) == 0 && Without("links")) return Fail(EPERM);
  return Real<int(int, const char*, int, const char*, int)>("linkat")(a, from, b, to, flags);
}

int flock(int file, int how) {
  if (Count("flock") == Verdict::kFail) return -1;
  if (Without("locks")) return Fail(ENOLCK);
  return Real<int(int, int)>("flock")(file, how);
}

// The descriptor is closed all the same, as Linux does.
int close(int file) {
  const Verdict verdict = file > 2 ? Count("close") : Verdict::kGoOn;
  const int error = errno;
  const int result = Real<int(int)>("close")(file);
  if (verdict != Verdict::kFail) return result;
  errno = error;
  return -1;
}

}  // extern "C"
