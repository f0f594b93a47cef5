#include "lib/methods/choose.h"

#include "lib/base/error.h"
#include "lib/methods/gptq.h"
#include "lib/methods/lattice.h"
#include "lib/methods/search.h"

namespace onnxquant::methods {

absl::StatusOr<Codes> Choose(const Choice& choice, const Grid& grid, absl::Span<const float> rows,
                             std::int64_t k, FactorSource* factors) {
  if (choice.method == Method::kSearch) return Search(grid, rows, k, {});
  if (choice.method == Method::kLattice) return Lattice(grid, rows, k, choice.rounding);
  if (factors == nullptr) {
    return absl::InternalError("GPTQ of a weight without a calibration to read");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::shared_ptr<const Factors> of_input, factors->Of(choice, k));
  return Gptq(grid, rows, k, *of_input, {});
}

}  // namespace onnxquant::methods
