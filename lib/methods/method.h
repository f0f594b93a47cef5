// The ways in which codes, scales and zero points are chosen, whatever format stores them.
#ifndef ONNXQUANT_LIB_METHODS_METHOD_H_
#define ONNXQUANT_LIB_METHODS_METHOD_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace onnxquant::methods {

enum class Method {
  kNearest,  // each number to its nearest code, as ONNX Runtime's quantizers do
  kSearch,   // the scales that lose least, of each block alone
  kGptq,     // what a code loses is made up for by those after it, as measured inputs weigh it
  kLattice,  // those that the weight was made of before
};

// What numbers were rounded to when they were made of codes and scales.
enum class Rounding { kFloat, kHalf, kBFloat16 };

struct MethodRow {
  Method method = Method::kNearest;
  absl::string_view word;  // as policies say it
  bool reads_moments = false;
  absl::string_view about;
};

// In the order of the enumeration.
absl::Span<const MethodRow> Methods();

const MethodRow& RowOf(Method method);

// What a plan says of one weight.
struct Choice {
  Method method = Method::kNearest;
  // The name of the value whose moments are read; "": none is.
  std::string statistic;
  // The name of the output whose gradients weigh those moments; "": none do.
  std::string gradient = {};
  // kLattice: what its values were rounded to.
  Rounding rounding = Rounding::kFloat;
  bool operator==(const Choice&) const = default;
};

// What holds for codes that two readers share: the method that takes more pains; of the same, the
// first.
const Choice& Later(const Choice& a, const Choice& b);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_METHOD_H_
