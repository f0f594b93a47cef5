// The dtypes that outputs can have, and how their files are named.
#ifndef ONNXQUANT_LIB_POLICY_DTYPES_H_
#define ONNXQUANT_LIB_POLICY_DTYPES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace onnxquant {

std::vector<std::string> KnownDtypes();

// "q4f16" -> "_q4f16", "fp32" -> "", "q8" -> "_quantized". An unknown dtype is a kPolicy error.
absl::StatusOr<std::string> FileSuffixOf(const std::string& dtype);

// A model file's name without its ending, taken apart: "model_q4f16" is the base "model" and the
// dtype "q4f16"; without a known suffix all of it is the base, and the dtype "".
struct FileStem {
  std::string base;
  std::string dtype;
};
FileStem SplitStem(const std::string& stem);

// The same for a source, which others may have named: also "model-fp16", "model.int8",
// "model_float16", "model_FP16" end with what gives way to an output's suffix. What such a name
// says of float32 is no dtype: it is what every source is without one.
FileStem SplitSourceStem(const std::string& stem);

// Whether Transformers.js knows the dtype, so that its configuration may name it.
bool IsWebDtype(const std::string& dtype);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_DTYPES_H_
