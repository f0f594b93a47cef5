// Candidates while they are compared.
#ifndef ONNXQUANT_LIB_VERIFY_CANDIDATE_H_
#define ONNXQUANT_LIB_VERIFY_CANDIDATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/any_model.h"
#include "lib/runtime/decoder.h"
#include "lib/trace/first_bad.h"
#include "lib/verify/verify.h"

namespace onnxquant {

// The model, loaded on the provider. Errors: those of RunnerFactory.
absl::StatusOr<std::unique_ptr<Runner>> LoadOn(const std::string& provider,
                                               const std::string& model,
                                               const RunnerFactory& factory, RunnerOptions options);

// The names of outputs that Tensor::Floats reads.
std::vector<std::string> FloatOutputs(const Signature& signature);

// What TraceFirstBad finds, in words; so is what keeps it from looking, for that is no reason to
// keep back what was measured. Error: kCancelled.
absl::StatusOr<std::string> WhereBadBegins(const FirstBadOptions& options);

// A candidate on one provider, loaded.
struct LoadedCandidate {
  CandidateResult* result = nullptr;
  std::unique_ptr<Runner> runner;  // taken by Decoder::Create for models with tokens
};

// Loads the model on the provider. An error of kind kVerify (it does not load) is put down in the
// result and gives a candidate without runner; others are returned.
absl::StatusOr<LoadedCandidate> LoadCandidate(const VerifyOptions& options,
                                              CandidateResult* result);

// A model with the bytes of its file and of the data files named after it.
std::uint64_t BytesOnDisk(const std::string& model);

// The results that fit into memory together from `first` on, at least one.
std::size_t BatchEnd(const std::vector<CandidateResult>& results, std::size_t first,
                     std::uint64_t memory);

// Language models: runs `reference` and the candidates in step over the tokens and fills in
// `language` and `greedy`.
absl::Status CompareLanguage(const VerifyOptions& options,
                             const std::vector<std::vector<std::int64_t>>& sequences,
                             Decoder& reference, std::vector<LoadedCandidate> candidates);

// Other models: every float output for each sample. Where a mask says that a position is padding,
// and an output begins with the mask's dimensions, what stands there is anybody's guess: errors do
// not count, NaN and Inf do.
absl::Status CompareTensors(const VerifyOptions& options, absl::Span<const Sample> samples,
                            AnyModel& reference, std::vector<LoadedCandidate> candidates);

// Adds a pair of tensors' errors to a comparison that keeps sums: see OutputSums.
struct OutputSums {
  std::uint64_t elements = 0;
  std::uint64_t finite = 0;  // of the reference
  double largest = 0;
  double error = 0;  // summed |error|
  double expected_square = 0;
  double given_square = 0;
  double product = 0;
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
  // Values of equal length. A value that is not finite where the reference is enters the counts
  // only; one that equals the reference (Inf too) is an error of 0, and so is any where the
  // reference is NaN.
  void Add(absl::Span<const float> expected, absl::Span<const float> given);
  // The same of padding: only what is not finite where the reference is enters.
  void AddPadding(absl::Span<const float> expected, absl::Span<const float> given);
  OutputComparison Finish(const std::string& name) const;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_VERIFY_CANDIDATE_H_
