// Mappings whose pages can stop being readable: a file that another process shortens, or a disk
// that fails to read, makes the kernel send SIGBUS to whoever reads the page, which ends a process.
//
// The first guarded mapping installs a handler of SIGBUS for the whole process. A fault inside a
// guarded mapping marks it as damaged and puts zeros in place of the rest of it, so that the reader
// goes on and finds out by damaged() that what it read is worth nothing. Every other SIGBUS goes to
// the handler that was there before, as if this one were not: Python's faulthandler, a sanitizer's,
// the program's own, or the default. A handler that is installed later takes precedence until the
// next guarded mapping puts this one before it again; up to 16 times, then the latest stays.
//
// What the handler does is async-signal-safe: it walks a list that is only ever added to, and makes
// system calls. The object file that holds it stays loaded to the end of the process. A thread that
// blocks SIGBUS is not protected: the kernel ends the process then.
#ifndef ONNXQUANT_LIB_FILES_FAULT_GUARD_H_
#define ONNXQUANT_LIB_FILES_FAULT_GUARD_H_

#include <cstddef>

namespace onnxquant {

// Guards [data, data + size), which stays mapped for the guard's life. `data` lies on a page.
class FaultGuard {
 public:
  FaultGuard() = default;
  FaultGuard(const void* data, std::size_t size);
  FaultGuard(FaultGuard&& other) noexcept;
  FaultGuard& operator=(FaultGuard&& other) noexcept;
  ~FaultGuard();

  // A part of it could not be read: from there on it holds zeros.
  bool damaged() const;

  // Reads a byte of each page, so that one which cannot be read is found: system calls only fail.
  static void Touch(const void* data, std::size_t size);

  struct Slot;

 private:
  Slot* slot_ = nullptr;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_FAULT_GUARD_H_
