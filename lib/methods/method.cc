#include "lib/methods/method.h"

#include <cstddef>

namespace onnxquant::methods {
namespace {

constexpr MethodRow kMethods[] = {
    {Method::kNearest, "nearest", false, "each number to its nearest code, as ONNX Runtime does"},
    {Method::kSearch, "search", false, "the scales that lose least, found without data"},
    {Method::kGptq, "gptq", true, "GPTQ with the statistics of a calibration (--calibration)"},
    {Method::kLattice, "lattice", false,
     "the codes that a weight was made of (QAT, GGUF), without loss; others as search"},
};

}  // namespace

absl::Span<const MethodRow> Methods() {
  return kMethods;
}

const MethodRow& RowOf(Method method) {
  return kMethods[static_cast<std::size_t>(method)];
}

const Choice& Later(const Choice& a, const Choice& b) {
  return b.method > a.method ? b : a;
}

}  // namespace onnxquant::methods
