#include "lib/verify/candidate.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

}  // namespace

absl::StatusOr<std::unique_ptr<Runner>> LoadOn(const std::string& provider,
                                               const std::string& model,
                                               const RunnerFactory& factory,
                                               RunnerOptions options) {
  options.provider = provider;
  return factory({model, nullptr}, options);
}

std::vector<std::string> FloatOutputs(const Signature& signature) {
  std::vector<std::string> names;
  for (const ValueSignature& output : signature.outputs) {
    if (IsFloat(output.type)) names.push_back(output.name);
  }
  return names;
}

absl::StatusOr<std::string> WhereBadBegins(const FirstBadOptions& options) {
  const absl::StatusOr<std::optional<FirstBad>> found = TraceFirstBad(options);
  if (KindOf(found.status()) == ErrorKind::kCancelled) return found.status();
  if (!found.ok()) {
    return absl::StrCat("where NaN or Inf begin cannot be traced: ",
                        std::string(found.status().message()));
  }
  return found->has_value() ? DescribeFirstBad(**found)
                            : "no value shows NaN or Inf when all of them are given out";
}

absl::StatusOr<LoadedCandidate> LoadCandidate(const VerifyOptions& options,
                                              CandidateResult* result) {
  LoadedCandidate loaded;
  loaded.result = result;
  absl::StatusOr<std::unique_ptr<Runner>> made =
      LoadOn(result->provider, result->model, options.factory, options.runner);
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
