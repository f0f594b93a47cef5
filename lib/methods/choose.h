// Codes of a weight's rows by the method that the plan has chosen.
#ifndef ONNXQUANT_LIB_METHODS_CHOOSE_H_
#define ONNXQUANT_LIB_METHODS_CHOOSE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/methods/grid.h"
#include "lib/methods/method.h"
#include "lib/methods/moments.h"

namespace onnxquant::methods {

// Where methods find the statistics that they read. Called from several threads.
class FactorSource {
 public:
  virtual ~FactorSource() = default;
  // Of the choice's statistic and gradient, [K,K]. Made when first asked for, and kept while
  // someone holds it.
  virtual absl::StatusOr<std::shared_ptr<const Factors>> Of(const Choice& choice,
                                                            std::int64_t k) = 0;
  // Error: what it was made of is not what it was. Asked for when all has been read.
  virtual absl::Status CheckUnchanged() const = 0;
};

// Rows [N,K], row-major, which do not depend on each other: any part of them comes to the same
// codes. Not for kNearest, whose kernels write what a format stores at once.
absl::StatusOr<Codes> Choose(const Choice& choice, const Grid& grid, absl::Span<const float> rows,
                             std::int64_t k, FactorSource* factors);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_CHOOSE_H_
