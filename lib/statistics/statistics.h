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

struct Statistics {
  // "fingerprint", "tokens", "sequences", "seed", "text", "tool": for people, but for the first.
  std::map<std::string, std::string> metadata;
  std::vector<Moments> moments;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_STATISTICS_H_
