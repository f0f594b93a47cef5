#include "lib/runtime/ort_api.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"

namespace onnxquant::ort {
namespace {

constexpr int kFatalOnly = 4;  // errors are returned as well

// The table, or null and the reason.
const ApiBase* Open(const std::string& path, std::string* reason) {
  // Local: two versions of the library can then be used side by side.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    *reason = dlerror();
    return nullptr;
  }
  void* symbol = dlsym(handle, "OrtGetApiBase");
  if (symbol == nullptr) {
    *reason = absl::StrCat(path, ": has no OrtGetApiBase; it is not ONNX Runtime");
    return nullptr;
  }
  return reinterpret_cast<const ApiBase* (*)()>(symbol)();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Library>> Library::Load(
    const std::vector<std::string>& candidates) {
  std::vector<std::string> reasons;
  for (const std::string& path : candidates) {
    std::string reason;
    const ApiBase* base = Open(path, &reason);
    if (base == nullptr) {
      reasons.push_back(reason);
      continue;
    }
    std::shared_ptr<Library> library(new Library);
    library->path_ = path;
    library->version_ = base->GetVersionString();
    library->api_ = base->GetApi(kApiVersion);
    if (library->api_ == nullptr) {
      reasons.push_back(
          absl::StrCat(path, ": is ONNX Runtime ", library->version_, "; 1.16 or newer is needed"));
      continue;
    }
    const std::string message =
        library->Message(library->api_->CreateEnv(kFatalOnly, "onnxquant", &library->env_));
    if (!message.empty()) {
      reasons.push_back(absl::StrCat(path, ": does not start: ", message));
      continue;
    }
    return library;
  }
  return UsageError("ONNX Runtime's shared library was not found:\n  ",
                    absl::StrJoin(reasons, "\n  "),
                    "\n  set ONNXQUANT_ONNXRUNTIME to its path (the Python package has it as "
                    "onnxruntime/capi/libonnxruntime.so.*), or run scripts/setup.sh");
}

Library::~Library() {
  if (env_ != nullptr) api_->ReleaseEnv(env_);
}

std::vector<std::string> Library::Providers() const {
  char** names = nullptr;
  int count = 0;
  std::vector<std::string> providers;
  if (!Message(api_->GetAvailableProviders(&names, &count)).empty()) return providers;
  for (int i = 0; i < count; ++i) providers.emplace_back(names[i]);
  Message(api_->ReleaseAvailableProviders(names, count));
  return providers;
}

std::string Library::Message(Status* status) const {
  if (status == nullptr) return "";
  std::string message = api_->GetErrorMessage(status);
  api_->ReleaseStatus(status);
  return message.empty() ? "unknown error" : message;
}

}  // namespace onnxquant::ort
