#include "lib/tune/gradient_costs.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

double SumOf(absl::Span<const float> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

// How often each row is looked up, where a product with the same weight tells: its gradients are
// the probabilities of tokens, less what came.
absl::StatusOr<std::vector<float>> SharesOf(const CalibrationFile& file, const Tunable& tunable,
                                            std::size_t rows) {
  for (const std::string& output : tunable.outputs) {
    const GradientInfo& info = *file.FindGradient(output);
    if (info.lookup || static_cast<std::size_t>(info.outputs) != rows) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> squares, file.GradientSquares(info));
    const double sum = SumOf(squares);
    if (!(sum > 0)) break;
    std::vector<float> shares(squares.begin(), squares.end());
    for (float& share : shares) share = static_cast<float>(share / sum);
    return shares;
  }
  return std::vector<float>(rows, 1 / static_cast<float>(std::max<std::size_t>(rows, 1)));
}

}  // namespace

bool HasGradients(const CalibrationFile& file, const Tunable& tunable) {
  return !tunable.outputs.empty() && std::all_of(tunable.outputs.begin(), tunable.outputs.end(),
                                                 [&file](const std::string& output) {
                                                   return file.FindGradient(output) != nullptr;
                                                 });
}

absl::StatusOr<double> CostByGradients(const CalibrationFile& file, const Tunable& tunable,
                                       const WeightShape& shape, absl::Span<const float> weights,
                                       absl::Span<const float> values,
                                       const ValuesOptions& options) {
  double cost = 0;
  for (const std::string& output : tunable.outputs) {
    const GradientInfo& info = *file.FindGradient(output);
    if (static_cast<std::size_t>(info.inputs) != shape.k) {
      return InternalError("gradients at '", output, "' are of ", info.inputs, " inputs, not of ",
                           shape.k);
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> sums, file.GradientSums(info));
    const auto tokens = static_cast<double>(info.count);
    if (info.lookup) {
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> shares, SharesOf(file, tunable, shape.n));
      ONNXQUANT_ASSIGN_OR_RETURN(const double error,
                                 ErrorOf(shape, weights, values, sums, shares, options));
      cost += error / tokens / 2;
      continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> squares, file.GradientSquares(info));
    const double all = SumOf(squares);
    if (!(all > 0)) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(const double error,
                               ErrorOf(shape, weights, values, sums, squares, options));
    cost += error / all / tokens / 2;
  }
  return cost;
}

}  // namespace onnxquant
