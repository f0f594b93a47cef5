// Globs on names, as policies and --session have them: *, ? and [a-z]; * also crosses slashes.
#ifndef ONNXQUANT_LIB_POLICY_GLOB_H_
#define ONNXQUANT_LIB_POLICY_GLOB_H_

#include <string>

namespace onnxquant {

bool FitsGlob(const std::string& glob, const std::string& name);

// A name as a glob that fits it alone.
std::string AsGlob(const std::string& name);

// The glob with each '[' standing for itself; * and ? still stand for any.
std::string WithPlainBrackets(const std::string& glob);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_GLOB_H_
