// Weights, correlated inputs and grids that tests of the methods share.
#ifndef ONNXQUANT_TESTS_METHODS_SAMPLES_H_
#define ONNXQUANT_TESTS_METHODS_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/methods/grid.h"
#include "lib/methods/moments.h"

namespace onnxquant::methods {

// Normal numbers, with one outlier in fifty.
std::vector<float> SampleWeights(std::int64_t n, std::int64_t k, unsigned seed = 1);

// The mean of x x^T over `tokens` inputs that depend on each other and differ in size.
std::vector<float> SampleMoments(std::int64_t k, int tokens, unsigned seed = 2);

Factors FactorsOf(const std::vector<float>& moments, std::int64_t k);

// All bits, symmetries and scales for these blocks.
std::vector<Grid> GridsOf(const std::vector<std::int64_t>& blocks);
std::string Text(const Grid& grid);

// Whether this processor multiplies and adds in one rounding.
bool Fuses();

// Each row's share.
std::vector<double> ObjectiveOfRows(const std::vector<float>& weights, const Grid& grid,
                                    const Codes& codes, std::int64_t k,
                                    const std::vector<float>& moments);
double ObjectiveOf(const std::vector<float>& weights, const Grid& grid, const Codes& codes,
                   std::int64_t k, const std::vector<float>& moments);

bool SameBits(const Codes& a, const Codes& b);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_TESTS_METHODS_SAMPLES_H_
