#include "lib/verify/candidate.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

}  // namespace

absl::StatusOr<LoadedCandidate> LoadCandidate(const VerifyOptions& options,
                                              CandidateResult* result) {
  RunnerOptions runner = options.runner;
  runner.provider = result->provider;
  LoadedCandidate loaded;
  loaded.result = result;
  absl::StatusOr<std::unique_ptr<Runner>> made = options.factory({result->model, nullptr}, runner);
  if (made.ok()) {
    loaded.runner = *std::move(made);
  } else if (KindOf(made.status()) == ErrorKind::kVerify) {
    result->error = std::string(made.status().message());
  } else {
    return made.status();
  }
  return loaded;
}

std::uint64_t BytesOnDisk(const std::string& model) {
  std::error_code error;
  std::uint64_t bytes = 0;
  const fs::path path = fs::absolute(model);
  const std::string name = path.filename().string();
  for (const auto& entry : fs::directory_iterator(path.parent_path(), error)) {
    const std::string other = entry.path().filename().string();
    if (other != name && other.rfind(name + "_data", 0) != 0 && other != name + ".data") continue;
    std::error_code none;
    const std::uint64_t size = fs::file_size(entry.path(), none);
    if (!none) bytes += size;
  }
  return bytes;
}

std::size_t BatchEnd(const std::vector<CandidateResult>& results, std::size_t first,
                     std::uint64_t memory) {
  std::uint64_t bytes = 0;
  std::size_t end = first;
  while (end < results.size()) {
    bytes += BytesOnDisk(results[end].model);
    if (end > first && bytes > memory) break;
    ++end;
  }
  return end;
}

}  // namespace onnxquant
