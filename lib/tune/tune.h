// Chooses a format for each weight, so that an output is of a given size, or loses no more than is
// allowed.
#ifndef ONNXQUANT_LIB_TUNE_TUNE_H_
#define ONNXQUANT_LIB_TUNE_TUNE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/allocate/allocate.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/text_source.h"
#include "lib/tune/tuned_rules.h"
#include "onnxquant/manifest.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

struct TuneOptions {
  std::string model;
  // `policy`, `rules`, `ranges` and `calibration`; of `dtypes` one, or none where the policy has
  // but one output, or is kAutoPolicy: then the family's q4f16.
  PlanOptions plan;
  // What weights may get, each as a policy's `weights` says it; empty: what the output stores most
  // of its weights in and 8 bits, in blocks of that size, of half of it (from 16 on) and of 128.
  std::vector<std::string> formats;
  // Products of weights in 8 bits round their activations to 8 bits, too, where the output has
  // accuracy_level 4: faster, but that costs as much as the weights' bits have won. Without it they
  // get accuracy_level 0.
  bool fast = false;
  std::optional<std::uint64_t> size;  // bytes of all files
  std::optional<double> max_kl;       // predicted, in nats per token
  std::string tokens = kSelf;         // what costs are measured on: a file, or kSelf
  std::size_t count = 128;            // tokens
  std::string cache;                  // a file of costs, measured and foretold; "": none
  // Finds the costs of this part of the weights alone, keeps them in `cache`, and chooses nothing:
  // a run without a part, which finds them there, does that.
  std::optional<Part> part;
  bool measure = false;  // also where gradients of the calibration foretell costs
  int threads = 0;
  std::uint64_t memory = 128 << 20;  // of factors
  InputOptions inputs;               // with the seed
  RunnerOptions runner;
  RunnerFactory factory;
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(std::size_t done, std::size_t total)> progress;  // weights
};

struct Tuning {
  std::string policy_name;     // of the policy that rules were added to
  std::string chosen_because;  // why that one, where the options leave it to the model's family
  std::string dtype;
  std::string policy;             // YAML, to be applied by an ordinary conversion
  std::uint64_t bytes = 0;        // of all files of the output, exact
  double kl = 0;                  // predicted
  std::uint64_t base_bytes = 0;   // of the policy as it was
  std::optional<double> base_kl;  // predicted; nothing where it has formats not to choose from
  std::vector<TunedWeight> weights;
  std::vector<FrontPoint> front;  // FilledFrontOf, in bytes of all files, nearly: alignment differs
  std::size_t measured = 0;       // costs; others were in the cache, or foretold
  std::size_t positions = 0;      // of text for each
  std::size_t longest = 0;        // positions for which the model has rotary tables; 0: no bound
};

// Costs are the mean KL divergence of the next tokens, of each weight alone, and add up. Where the
// calibration has gradients they foretell them (gradient_costs.h). Else they are measured in the
// smallest of the weight's formats; others cost as much less as they come nearer to the weight, as
// the calibration weighs it. Then chooses, and writes the policy. With neither `size` nor `max_kl`
// everything but the choice is made: `policy` is "". Of a part there is no `front` either.
// Errors: those of a conversion; kUsage for a size that cannot be reached or a model that is no
// language model; kVerify; kCancelled.
absl::StatusOr<Tuning> Tune(const TuneOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_TUNE_H_
