// What was chosen, as rules of a policy that people read and edit.
#ifndef ONNXQUANT_LIB_TUNE_TUNED_RULES_H_
#define ONNXQUANT_LIB_TUNE_TUNED_RULES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/policy/policy.h"

namespace onnxquant {

// A weight and the format that it gets.
struct TunedWeight {
  std::string name;
  std::string role;  // "" for none
  int layer = -1;
  Settings set;       // `weights`, and with it `method` and `accuracy_level`
  bool base = false;  // what the policy says of it anyway
  std::uint64_t bytes = 0;
  double cost = 0;  // predicted: nats per token
};

// Rules for one output, one below the other, each with a comment of its bytes and its cost: by role
// and layers, where all weights of them get the same, else by names. Those of which the policy says
// the same are left out. `indent`: before each line.
std::string TunedRules(absl::Span<const TunedWeight> weights, const std::string& dtype,
                       const std::string& indent);

// The policy's text with the rules at its end; before them `more`, rules as --set takes them, and
// `comment`. Errors (kPolicy): its
// rules are not the last thing in it, or no block of lines.
absl::StatusOr<std::string> WithRules(const std::string& yaml, const std::string& file,
                                      absl::Span<const TunedWeight> weights,
                                      const std::string& dtype, absl::Span<const std::string> more,
                                      absl::Span<const std::string> comment);

// "{format: int4, block: 32, symmetric: false}", "float16": what a policy says for it.
std::string WeightsYaml(const WeightFormat& format);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_TUNED_RULES_H_
