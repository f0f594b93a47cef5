#include "lib/runtime/ort_library.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As scripts/common.sh finds it.
fs::path CacheFolder() {
  if (const std::string cache = Environment("ONNXQUANT_CACHE"); !cache.empty()) return cache;
  if (const std::string xdg = Environment("XDG_CACHE_HOME"); !xdg.empty()) {
    return fs::path(xdg) / "onnxquant";
  }
  return fs::path(Environment("HOME")) / ".cache" / "onnxquant";
}

// The libraries of the Python package in a virtual environment, sorted.
std::vector<std::string> InEnvironment(const fs::path& environment) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& python : fs::directory_iterator(environment / "lib", error)) {
    const fs::path capi = python.path() / "site-packages" / "onnxruntime" / "capi";
    std::error_code none;
    for (const auto& file : fs::directory_iterator(capi, none)) {
      if (file.path().filename().string().rfind("libonnxruntime.so", 0) == 0) {
        found.push_back(file.path().string());
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> OnnxRuntimeCandidates(const std::string& given,
                                               const std::string& provider) {
  if (!given.empty()) return {given};
  if (const std::string set = Environment("ONNXQUANT_ONNXRUNTIME"); !set.empty()) return {set};
  std::vector<std::string> candidates =
      InEnvironment(CacheFolder() / (provider == "webgpu" ? "venv-webgpu" : "venv"));
  candidates.push_back("libonnxruntime.so.1");
  candidates.push_back("libonnxruntime.so");
  return candidates;
}

}  // namespace onnxquant
