#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/runtime/any_model.h"
#include "lib/verify/candidate.h"

namespace onnxquant {
namespace {

using Sequence = std::vector<std::int64_t>;

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

}  // namespace

void OutputSums::Add(absl::Span<const float> expected, absl::Span<const float> given) {
  elements += expected.size();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = expected[i];
    const double b = given[i];
    finite += std::isfinite(a) ? 1 : 0;
    if (!std::isfinite(a) || !std::isfinite(b)) {
      const bool equal = a == b || (std::isnan(a) && std::isnan(b));
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

absl::Status CompareTensors(const VerifyOptions& options, const std::vector<Sequence>& sequences,
                            std::unique_ptr<Runner> reference,
                            std::vector<LoadedCandidate> candidates) {
  ONNXQUANT_ASSIGN_OR_RETURN(AnyModel base, AnyModel::Create(std::move(reference), options.inputs));
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
    for (const Sequence& sequence : sequences) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options.cancelled));
      ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Tensor> expected, base.Run(sequence, outputs));
      absl::StatusOr<std::vector<Tensor>> given = model->Run(sequence, outputs);
      if (!given.ok()) {
        result.error = std::string(given.status().message());
        break;
      }
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        ONNXQUANT_RETURN_IF_ERROR(
            CheckShapes(options.reference, result.model, outputs[i], expected[i], (*given)[i]));
        VisitFloatPairs(expected[i], (*given)[i], [&](auto a, auto b) { sums[i].Add(a, b); });
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
