// What a model's operators read while it runs, summed up.
#ifndef ONNXQUANT_LIB_STATISTICS_STATISTICS_H_
#define ONNXQUANT_LIB_STATISTICS_STATISTICS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onnxquant {

// Second moments of the rows of a value [..., K], one row for each token.
struct Moments {
  std::string value;        // that the operators read, as the model calls it
  std::int64_t size = 0;    // K
  std::uint64_t count = 0;  // rows summed
  std::vector<float> sums;  // [K, K], the whole symmetric matrix: Σ x xᵀ, not divided by `count`
};

// What the gradients g of the text's improbability, -Σ log p(next token), say at an output [..., N]
// that tokens have a row of, summed over those with a next token.
struct GradientMoments {
  std::string output;  // as the model calls it
  // Whether it is made by looking rows of a table up; else by a product, of rows x [..., K].
  bool lookup = false;
  std::int64_t inputs = 0;     // K; of a lookup N
  std::int64_t outputs = 0;    // N
  std::uint64_t count = 0;     // tokens summed
  std::vector<float> sums;     // [K, K]: Σ |g|² x xᵀ; of a lookup Σ g gᵀ
  std::vector<float> squares;  // [N]: Σ g²; of a lookup the diagonal of `sums`
};

struct Statistics {
  // "fingerprint", "tokens", "sequences", "seed", "text", "tool": for people, but for the first.
  std::map<std::string, std::string> metadata;
  std::vector<Moments> moments;
  std::vector<GradientMoments> gradients;  // none where they were not asked for
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_STATISTICS_H_
