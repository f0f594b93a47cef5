// What a model is run on, run by run.
#ifndef ONNXQUANT_LIB_RUNTIME_SAMPLES_H_
#define ONNXQUANT_LIB_RUNTIME_SAMPLES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/input_files.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/signature.h"
#include "lib/runtime/tokens.h"

namespace onnxquant {

// One run: arrays that were given; else a text, for a model that takes tokens; else what is made
// up.
struct Sample {
  std::vector<std::int64_t> tokens;
  std::shared_ptr<const InputSet> given;
  // Several rows of the text or of what is made up, with padding.
  Padding padding = Padding::kNone;
};

// One for each text.
std::vector<Sample> SamplesOf(const TokenSequences& sequences);

// Adds the first sample again with padded rows, where the model takes a mask: two rows side by
// side, or one after the other where the batch is fixed.
void AddPaddedSamples(const Signature& signature, const InputOptions& options,
                      std::vector<Sample>& samples);

// Without those that were padded for the test.
std::vector<Sample> WithoutPadded(std::vector<Sample> samples);

// What is said when a model does not run on padded rows.
std::string PaddedFails(const std::string& model, const absl::Status& status);

struct GivenSamples {
  std::vector<Sample> samples;
  std::string note;  // which inputs are made up though others are given; "" for none
};

// Reads options.files, of which there are some, and holds each against the model. Errors: those of
// ReadInputs and FitInputs; kUsage with `tokens`, for a model is run on one or the other.
absl::StatusOr<GivenSamples> ReadSamples(const std::string& model, const Signature& signature,
                                         const InputOptions& options, const std::string& tokens);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_SAMPLES_H_
