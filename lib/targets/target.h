// The places where models run, as users name them: webgpu, wasm@1.31, transformers.js@4.3.
#ifndef ONNXQUANT_LIB_TARGETS_TARGET_H_
#define ONNXQUANT_LIB_TARGETS_TARGET_H_

#include <compare>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace onnxquant {

struct Version {
  int major = 0;
  int minor = 0;
  // The checker takes what the compiler writes for ours.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  std::strong_ordering operator<=>(const Version&) const = default;
  std::string ToString() const;  // "1.30"
};

// Sets of kernels, of which kernels.txt and facts.cc speak. Each has the versions of ONNX Runtime.
inline constexpr char kCpuKernels[] = "cpu";
inline constexpr char kWebGpuKernels[] = "webgpu";
inline constexpr char kWasmKernels[] = "wasm";
// Of the WebAssembly bundle that has WebGPU in it, which Transformers.js loads for either device.
inline constexpr char kAsyncifyKernels[] = "asyncify";

// One way to run a model: nodes go where `kernels` has one for them, else to `beside`.
struct Place {
  absl::string_view name;
  absl::string_view kernels;
  absl::string_view beside = {};  // "": nowhere
  bool browser = false;           // each data file is one array there
};

struct TargetRow {
  absl::string_view name;
  absl::string_view about;
  absl::Span<const Place> places;  // any of them is enough
  Version newest;                  // what is meant where no version is said
  Version oldest;                  // nothing is known of those before
  bool of_transformers_js = false;
};
absl::Span<const TargetRow> Targets();

struct Target {
  const TargetRow* row = nullptr;
  Version version;               // of what the name says
  Version runtime;               // of ONNX Runtime in it
  std::string ToString() const;  // "transformers.js@4.3"
};

// "NAME" or "NAME@VERSION". Errors: kUsage, with the names that there are.
absl::StatusOr<Target> ParseTarget(const std::string& text);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TARGETS_TARGET_H_
