#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/any_model.h"
#include "lib/verify/candidate.h"

namespace onnxquant {
namespace {

absl::StatusOr<std::vector<std::string>> NeedFloatOutputs(const std::string& model,
                                                          const Signature& signature) {
  std::vector<std::string> names = FloatOutputs(signature);
  if (names.empty()) {
    return MakeError(ErrorKind::kVerify,
                     absl::StrCat(model, ": has no output of floats to compare; its outputs are ",
                                  NamesText(signature.outputs)));
  }
  return names;
}

absl::Status CheckShapes(const std::string& reference, const std::string& model,
                         const std::string& name, const Tensor& expected, const Tensor& given) {
  if (expected.dims() == given.dims() && given.is_float()) return absl::OkStatus();
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat(model, ": output '", name, "' is ", NameOf(given.type()),
                                DimsText(given.dims()), "; the reference ", reference, " gives ",
                                NameOf(expected.type()), DimsText(expected.dims())));
}

// Position by position of a mask.
void AddMasked(const std::vector<bool>& kept, const Tensor& expected, const Tensor& given,
               OutputSums& sums) {
  const std::size_t each = expected.elements() / kept.size();
  std::vector<float> expected_scratch;
  std::vector<float> given_scratch;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto a = expected.Floats(i * each, each, expected_scratch);
    const auto b = given.Floats(i * each, each, given_scratch);
    kept[i] ? sums.Add(a, b) : sums.AddPadding(a, b);
  }
}

}  // namespace

void OutputSums::Add(absl::Span<const float> expected, absl::Span<const float> given) {
  elements += expected.size();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = expected[i];
    const double b = given[i];
    finite += std::isfinite(a) ? 1 : 0;
    if (!std::isfinite(a) || !std::isfinite(b)) {
      const bool equal = a == b || std::isnan(a);
      if (!equal) (std::isnan(b) ? nan : inf) += 1;
      continue;
    }
    const double difference = std::abs(a - b);
    largest = std::max(largest, difference);
    error += difference;
    expected_square += a * a;
    given_square += b * b;
    product += a * b;
  }
}

OutputComparison OutputSums::Finish(const std::string& name) const {
  OutputComparison result;
  result.name = name;
  result.elements = elements;
  result.max_error = largest;
  result.mean_error = elements == 0 ? 0 : error / static_cast<double>(elements);
  if (error > 0) {
    const double lengths = std::sqrt(expected_square) * std::sqrt(given_square);
    result.cosine = lengths > 0 ? product / lengths : 0;
  }
  result.nan = nan;
  result.inf = inf;
  return result;
}

void OutputSums::AddPadding(absl::Span<const float> expected, absl::Span<const float> given) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(expected[i]) || std::isfinite(given[i])) continue;
    (std::isnan(given[i]) ? nan : inf) += 1;
  }
}

absl::Status CompareTensors(const VerifyOptions& options, absl::Span<const Sample> samples,
                            AnyModel& base, std::vector<LoadedCandidate> candidates) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> outputs,
                             NeedFloatOutputs(options.reference, base.signature()));
  for (LoadedCandidate& candidate : candidates) {
    if (candidate.runner == nullptr) continue;
    CandidateResult& result = *candidate.result;
    absl::StatusOr<AnyModel> model = AnyModel::Create(std::move(candidate.runner), options.inputs);
    if (!model.ok()) {
      return MakeError(ErrorKind::kVerify,
                       absl::StrCat(result.model, ": ", model.status().message()));
    }
    for (const std::string& name : outputs) {
      if (model->signature().Output(name) == nullptr) {
        return MakeError(ErrorKind::kVerify,
                         absl::StrCat(result.model, ": has no output '", name,
                                      "', as the reference has; its outputs are ",
                                      NamesText(model->signature().outputs)));
      }
    }
    std::vector<OutputSums> sums(outputs.size());
    for (const Sample& sample : samples) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options.cancelled));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> inputs, base.InputsOf(sample));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> expected, base.Run(sample, outputs));
      absl::StatusOr<std::vector<Tensor>> given = model->Run(sample, outputs);
      if (!given.ok()) {
        result.error = std::string(given.status().message());
        break;
      }
      const Tensor* mask = FindMask(inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        ONNXQUANT_RETURN_IF_ERROR(
            CheckShapes(options.reference, result.model, outputs[i], expected[i], (*given)[i]));
        const std::vector<bool> kept = KeptPositions(mask, expected[i].dims());
        if (!kept.empty()) {
          AddMasked(kept, expected[i], (*given)[i], sums[i]);
        } else {
          VisitFloatPairs(expected[i], (*given)[i], [&](auto a, auto b) { sums[i].Add(a, b); });
        }
      }
    }
    if (!result.error.empty()) continue;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (sums[i].elements > 0 && sums[i].finite == 0) {
        return MakeError(
            ErrorKind::kVerify,
            absl::StrCat(options.reference, ": output '", outputs[i],
                         "' of the reference holds nothing but NaN and Inf; nothing can be "
                         "measured against it"));
      }
      result.outputs.push_back(sums[i].Finish(outputs[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
