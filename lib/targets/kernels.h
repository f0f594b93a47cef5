// Which float types a runtime's kernels take in each operator, as one-node models have shown.
#ifndef ONNXQUANT_LIB_TARGETS_KERNELS_H_
#define ONNXQUANT_LIB_TARGETS_KERNELS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/model/element_type.h"
#include "lib/targets/target.h"

namespace onnxquant {

// Sets of kernels beside those of target.h, of which no machine of the project can ask: they are
// known from the lists of ONNX Runtime's source.
inline constexpr char kCudaKernels[] = "cuda";
inline constexpr char kCoreMlKernels[] = "coreml";

// lib/targets/kernels.txt, whose head says what it holds.
extern const char kKernelTable[];

struct KernelAnswer {
  bool known = false;
  bool runs = false;               // where it is known
  std::vector<ElementType> takes;  // where it is known
  Version version;                 // of the runtime that was asked: the newest that is not newer
};

// Of a node of `op` ("Relu", "com.microsoft::Gelu") in a model of that opset of ONNX's own domain,
// which has that float type. `kernels`: kCpuKernels and the like. Nothing is known of runtimes that
// are older than the first that was asked.
KernelAnswer AskKernels(absl::string_view kernels, Version version, absl::string_view op, int opset,
                        ElementType type);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TARGETS_KERNELS_H_
