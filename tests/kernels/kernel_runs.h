// The kernels that kernel_runner can run, by name.
#ifndef ONNXQUANT_TESTS_KERNELS_KERNEL_RUNS_H_
#define ONNXQUANT_TESTS_KERNELS_KERNEL_RUNS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace onnxquant::kernels {

using Arguments = std::map<std::string, std::uint64_t>;
using KernelRun = std::function<std::string(const Arguments&, std::string_view source)>;

const std::map<std::string, KernelRun>& KernelRuns();

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_TESTS_KERNELS_KERNEL_RUNS_H_
