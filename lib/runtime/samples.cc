#include "lib/runtime/samples.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/runtime/fit_inputs.h"

namespace onnxquant {
namespace {

// Whether what is made up has one row, whatever is asked for.
bool OneRow(const Signature& signature, InputOptions options) {
  options.padding = Padding::kRightFirst;
  return std::any_of(
      signature.inputs.begin(), signature.inputs.end(), [&](const ValueSignature& input) {
        return !input.dims.empty() && ChooseDimension(input.dims[0], 0, options) == 1;
      });
}

}  // namespace

std::vector<Sample> SamplesOf(const TokenSequences& sequences) {
  std::vector<Sample> samples;
  for (const auto& sequence : sequences) samples.push_back({sequence, nullptr, Padding::kNone});
  return samples;
}

void AddPaddedSamples(const Signature& signature, const InputOptions& options,
                      std::vector<Sample>& samples) {
  if (samples.empty() || !TakesPadding(signature, options)) return;
  Sample padded{samples.front().tokens, nullptr, Padding::kRightFirst};
  samples.push_back(padded);
  if (!OneRow(signature, options)) return;
  padded.padding = Padding::kLeftFirst;
  samples.push_back(std::move(padded));
}

std::vector<Sample> WithoutPadded(std::vector<Sample> samples) {
  samples.erase(
      std::remove_if(samples.begin(), samples.end(),
                     [](const Sample& sample) { return sample.padding != Padding::kNone; }),
      samples.end());
  return samples;
}

std::string PaddedFails(const std::string& model, const absl::Status& status) {
  return absl::StrCat(model, ": does not run on padded rows, and was not measured on them: ",
                      std::string(status.message()));
}

absl::StatusOr<GivenSamples> ReadSamples(const std::string& model, const Signature& signature,
                                         const InputOptions& options, const std::string& tokens) {
  if (!tokens.empty()) {
    return UsageError(model,
                      ": is run on --tokens or on --inputs, not on both; arrays of --inputs may "
                      "hold the token ids");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<InputSet> sets, ReadInputs(options.files));
  GivenSamples given;
  std::vector<std::string> made_up;
  std::string origin;  // of the first set that lacks some
  for (InputSet& set : sets) {
    ONNXQUANT_ASSIGN_OR_RETURN(FittedInputs fitted,
                               FitInputs(model, signature, set, options, true));
    if (made_up.empty() && !fitted.made_up.empty()) {
      made_up = std::move(fitted.made_up);
      origin = set.origin;
    }
    given.samples.push_back({{}, std::make_shared<const InputSet>(std::move(set)), Padding::kNone});
  }
  if (!made_up.empty()) {
    constexpr std::size_t kShown = 4;
    const std::size_t more = made_up.size() > kShown ? made_up.size() - kShown : 0;
    made_up.resize(made_up.size() - more);
    given.note = absl::StrCat(origin, ": gives no ", absl::StrJoin(made_up, ", "),
                              more > 0 ? absl::StrCat(" and ", more, " more") : "",
                              ": made up (empty caches, masks of ", "ones, positions from zero)");
  }
  return given;
}

}  // namespace onnxquant
