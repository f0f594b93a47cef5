#include "lib/targets/target.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/targets/kernels.h"

namespace onnxquant {
namespace {

constexpr Place kCpu[] = {{"cpu", kCpuKernels}};
constexpr Place kWebGpu[] = {{"webgpu", kWebGpuKernels, kCpuKernels}};
constexpr Place kCuda[] = {{"cuda", kCudaKernels, kCpuKernels}};
constexpr Place kCoreMl[] = {{"coreml", kCoreMlKernels, kCpuKernels}};
constexpr Place kWasm[] = {{"wasm", kWasmKernels, "", true}};
constexpr Place kInTransformersJs[] = {
    {"device webgpu", kWebGpuKernels, kAsyncifyKernels, true},
    {"device wasm", kAsyncifyKernels, "", true},
};
constexpr absl::Span<const Place> kBoth = kInTransformersJs;

constexpr TargetRow kRows[] = {
    {"cpu", "ONNX Runtime's CPU provider, in programs", kCpu, {1, 32}, {1, 20}},
    {"webgpu",
     "ONNX Runtime's WebGPU provider, in programs, with the CPU provider beside it",
     kWebGpu,
     {1, 30},
     {1, 20}},
    {"wasm", "onnxruntime-web without WebGPU (its ort.wasm bundle)", kWasm, {1, 31}, {1, 20}},
    {"transformers.js",
     "Transformers.js in a browser, on whichever of its devices runs the file",
     kBoth,
     {4, 3},
     {4, 0},
     true},
    {"transformers.js-webgpu",
     "Transformers.js in a browser, device webgpu",
     kBoth.subspan(0, 1),
     {4, 3},
     {4, 0},
     true},
    {"transformers.js-wasm",
     "Transformers.js in a browser, device wasm",
     kBoth.subspan(1, 1),
     {4, 3},
     {4, 0},
     true},
    {"cuda",
     "ONNX Runtime's CUDA provider, in programs, with the CPU provider beside it (as its source "
     "lists them: not tried)",
     kCuda,
     {1, 28},
     {1, 28}},
    {"coreml",
     "ONNX Runtime's CoreML provider with ML programs, in programs, with the CPU provider beside "
     "it (as its source lists them: not tried)",
     kCoreMl,
     {1, 28},
     {1, 28}},
};

// The onnxruntime-web that a release of Transformers.js depends on, the newest first.
struct Dependency {
  Version transformers_js;
  Version runtime;
};
constexpr Dependency kDependencies[] = {{{4, 3}, {1, 31}}, {{4, 2}, {1, 26}}, {{4, 0}, {1, 25}}};

std::optional<Version> ParseVersion(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  int numbers[3] = {};
  if (parts.size() < 2 || parts.size() > std::size(numbers)) return std::nullopt;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!absl::SimpleAtoi(parts[i], &numbers[i]) || numbers[i] < 0) return std::nullopt;
  }
  return Version{numbers[0], numbers[1]};
}

}  // namespace

std::string Version::ToString() const {
  return absl::StrCat(major, ".", minor);
}

std::string Target::ToString() const {
  return absl::StrCat(row->name, "@", version.ToString());
}

absl::Span<const TargetRow> Targets() {
  return kRows;
}

absl::StatusOr<Target> ParseTarget(const std::string& text) {
  const std::size_t at = text.find('@');
  const std::string name = text.substr(0, at);
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&name](const TargetRow& each) { return each.name == name; });
  if (row == std::end(kRows)) {
    std::vector<std::string> names;
    for (const TargetRow& each : kRows) names.emplace_back(each.name);
    return UsageError("found target '", VisibleStart(name), "'; a target is one of ",
                      absl::StrJoin(names, ", "), ", with a version behind if you like (", names[0],
                      "@", kRows[0].newest.ToString(), ")", DidYouMean(name, names));
  }
  Target target{row, row->newest, row->newest};
  if (at != std::string::npos) {
    const std::string version = text.substr(at + 1);
    const std::optional<Version> parsed = ParseVersion(version);
    if (!parsed) {
      return UsageError("target ", name, ": found version '", VisibleStart(version),
                        "'; expected two numbers such as ", row->newest.ToString());
    }
    if (*parsed < row->oldest) {
      return UsageError("target ", name, ": nothing is known of version ", parsed->ToString(),
                        "; expected ", row->oldest.ToString(), " or later");
    }
    target.version = *parsed;
  }
  target.runtime = target.version;
  if (row->of_transformers_js) {
    for (const Dependency& each : kDependencies) {
      if (each.transformers_js > target.version) continue;
      target.runtime = each.runtime;
      break;
    }
  }
  return target;
}

}  // namespace onnxquant
