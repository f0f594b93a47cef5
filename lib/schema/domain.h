// Operator domains.
#ifndef ONNXQUANT_LIB_SCHEMA_DOMAIN_H_
#define ONNXQUANT_LIB_SCHEMA_DOMAIN_H_

#include <string>

namespace onnxquant {

// ONNX's own domain is written "" or "ai.onnx".
inline bool IsOnnxDomain(const std::string& domain) {
  return domain.empty() || domain == "ai.onnx";
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SCHEMA_DOMAIN_H_
