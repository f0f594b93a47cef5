// How a policy asks for constant operands to be stored.
#ifndef ONNXQUANT_LIB_FORMATS_WEIGHT_FORMAT_H_
#define ONNXQUANT_LIB_FORMATS_WEIGHT_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// In place of a type: the one that the thing has in the source model.
inline constexpr ElementType kAsInSource = ElementType::kUndefined;
std::string TypeWord(ElementType type);  // "float16"; "source" for kAsInSource

// A word of the table of formats and its parameters; those that the word does not take keep their
// defaults.
struct WeightFormat {
  // "int4"; "" for floats, which `type` names. It outlives the format: see format.h.
  absl::string_view word = {};
  ElementType type = ElementType::kFloat;  // floats: what they are stored in, or kAsInSource
  int bits = 0;                            // of a code
  bool is_signed = false;                  // codes are of two's complement
  std::int64_t block = 32;                 // codes that share a scale; 0: they have no blocks
  bool symmetric = true;                   // no zero points, or one in the middle
  bool per_channel = false;                // a scale for each output channel, not one for all
  bool reduce_range = false;               // 7 of the 8 bits
  // What the quantizer is given: the weight as it is, or rounded to float16 first, as ONNX
  // Runtime's quantizer sees a model that was made float16 before.
  ElementType source = ElementType::kFloat;

  bool IsFloat() const { return word.empty(); }
  bool operator==(const WeightFormat&) const = default;
};
std::string ToString(const WeightFormat& format);  // "float16", "int4 block 32 symmetric"

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FORMATS_WEIGHT_FORMAT_H_
