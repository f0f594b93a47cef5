// What a model takes and gives.
#ifndef ONNXQUANT_LIB_RUNTIME_SIGNATURE_H_
#define ONNXQUANT_LIB_RUNTIME_SIGNATURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/model/element_type.h"

namespace onnxquant {

struct Dimension {
  std::int64_t size = -1;  // -1: not fixed
  std::string symbol;      // the name of a dimension that is not fixed; may be ""
  bool fixed() const { return size >= 0; }
};

struct ValueSignature {
  std::string name;
  ElementType type = ElementType::kUndefined;  // kUndefined: a sequence, map or optional
  std::vector<Dimension> dims;
};

struct Signature {
  std::vector<ValueSignature> inputs;
  std::vector<ValueSignature> outputs;

  const ValueSignature* Input(const std::string& name) const;
  const ValueSignature* Output(const std::string& name) const;
};

// "float32[batch, 4, 0]".
std::string SignatureText(const ValueSignature& value);

// "a, b, c": the names, for messages; the first ten.
std::string NamesText(const std::vector<ValueSignature>& values);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_SIGNATURE_H_
