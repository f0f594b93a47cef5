// Candidates against a reference: the same inputs through all of them, and how far they part.
#ifndef ONNXQUANT_LIB_VERIFY_VERIFY_H_
#define ONNXQUANT_LIB_VERIFY_VERIFY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/trace/value_errors.h"
#include "lib/verify/summary.h"

namespace onnxquant {

struct Thresholds {
  std::optional<double> max_kl;     // mean, nats
  std::optional<double> min_top1;   // share of 1
  std::optional<double> max_error;  // of outputs that are no logits
};

struct VerifyOptions {
  std::string reference;
  std::vector<std::string> candidates;
  std::vector<std::string> providers = {"cpu"};  // of the candidates; the reference runs on the CPU
  std::string tokens;                            // a file, or "self"; "": see inputs.files, made up
  std::size_t count = 0;    // tokens to read; 0: all of a file, 256 of the model's own text
  std::size_t chunk = 64;   // tokens a step: logits of so many positions are held at once
  std::size_t greedy = 16;  // tokens to continue the text by; 0: none
  InputOptions inputs;
  Thresholds thresholds;
  // Models are held together up to so many bytes of files; the reference runs again for the rest.
  std::uint64_t memory = 4'000'000'000;
  RunnerOptions runner;  // the provider in it is not used
  RunnerFactory factory;
  bool trace = true;    // look for the first value with NaN or Inf of candidates that have some
  bool layers = false;  // compare the inner values, too; the models then run again
  std::function<bool()> cancelled;
  std::function<void(std::size_t done, std::size_t total)> progress;  // steps
};

struct GreedyAgreement {
  std::size_t steps = 0;
  std::size_t same = 0;          // leading tokens that are those of the reference
  double seconds_per_token = 0;  // the median of its own steps; 0: too few to say
};

// One output of a model without logits.
struct OutputComparison {
  std::string name;
  std::uint64_t elements = 0;
  double max_error = 0;
  double mean_error = 0;
  double cosine = 1;
  std::uint64_t nan = 0;  // where the reference is finite
  std::uint64_t inf = 0;
};

struct CandidateResult {
  std::string model;
  std::string provider;
  std::string error;  // what stopped it from running; then nothing else is known
  std::optional<Summary> language;
  std::optional<GreedyAgreement> greedy;
  std::vector<OutputComparison> outputs;
  std::string first_bad;              // the value where NaN or Inf begins, in words
  std::vector<ValueError> values;     // inner ones, where they were asked for
  std::string values_error;           // why they could not be compared
  std::vector<std::string> failures;  // why it does not pass; empty when it does
  bool passed() const { return failures.empty(); }
  bool has_nonfinite() const;
};

struct Verification {
  std::string reference;
  std::size_t tokens = 0;
  std::size_t runs = 0;  // on arrays, texts or made-up inputs whose outputs were compared whole
  std::vector<std::string> notes;  // what the user should know of the inputs
  Perplexity reference_perplexity;
  std::vector<CandidateResult> results;  // by candidate, then by provider
  bool passed() const;
};

// A candidate that the runtime does not load or run is a result; what makes the comparison
// meaningless is an error: kUsage for tokens, files and providers that are not there, and for
// thresholds that do not apply; kVerify for a candidate with another vocabulary, other caches or
// other output shapes, and for a reference that itself gives NaN or Inf: among its logits, or
// nothing else in an output.
absl::StatusOr<Verification> Verify(const VerifyOptions& options);

// UTF-8, indented, keys in a fixed order; NaN and Inf are null.
std::string ToJson(const Verification& verification);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_VERIFY_VERIFY_H_
