#include "lib/runtime/fit_inputs.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/runtime/convert_tensor.h"
#include "lib/runtime/text_inputs.h"

namespace onnxquant {
namespace {

std::vector<std::string> NamesOf(const std::vector<ValueSignature>& values) {
  std::vector<std::string> names;
  for (const ValueSignature& value : values) names.push_back(value.name);
  return names;
}

std::string TypeText(const Tensor& tensor) {
  return absl::StrCat(NameOf(tensor.type()), DimsText(tensor.dims()));
}

// Whether an input follows from the others.
bool CanBeMadeUp(const ValueSignature& input) {
  const bool integers = !IsFloat(input.type) && input.type != ElementType::kUndefined;
  return absl::StartsWith(input.name, kPastPrefix) ||
         (integers && absl::StrContains(input.name, "mask")) ||
         MakeTextInput(input, {}).has_value();
}

class Fitter {
 public:
  Fitter(const std::string& model, const Signature& signature, const InputSet& set,
         const InputOptions& options)
      : model_(model), signature_(signature), set_(set), options_(options) {}

  absl::StatusOr<FittedInputs> Fit(bool strict) {
    if (strict) ONNXQUANT_RETURN_IF_ERROR(RefuseOthers());
    for (const ValueSignature& input : signature_.inputs) Learn(input);
    for (const ValueSignature& input : signature_.inputs) {
      const Tensor* given = Given(input);
      absl::StatusOr<Tensor> tensor = given != nullptr ? Checked(input, *given) : Made(input);
      if (!tensor.ok()) return tensor.status();
      if (given == nullptr) fitted_.made_up.push_back(input.name);
      fitted_.inputs.push_back({input.name, *std::move(tensor)});
    }
    return std::move(fitted_);
  }

 private:
  bool Unnamed() const { return set_.arrays.size() == 1 && set_.arrays[0].name.empty(); }

  // The input that an array without a name is for.
  const ValueSignature* Only() const {
    const ValueSignature* only = nullptr;
    for (const ValueSignature& input : signature_.inputs) {
      if (CanBeMadeUp(input)) continue;
      if (only != nullptr) return nullptr;
      only = &input;
    }
    return only;
  }

  const Tensor* Given(const ValueSignature& input) const {
    if (Unnamed()) return Only() == &input ? &set_.arrays[0].tensor : nullptr;
    for (const NamedTensor& array : set_.arrays) {
      if (array.name == input.name) return &array.tensor;
    }
    return nullptr;
  }

  absl::Status RefuseOthers() const {
    if (Unnamed()) {
      if (Only() != nullptr) return absl::OkStatus();
      return UsageError(set_.origin, ": is one array without a name, and ", model_,
                        " takes several inputs: ", NamesText(signature_.inputs),
                        "; give them by name in a .npz file: numpy.savez('inputs.npz', ",
                        signature_.inputs.empty() ? "name" : signature_.inputs[0].name, "=…)");
    }
    const std::vector<std::string> names = NamesOf(signature_.inputs);
    for (const NamedTensor& array : set_.arrays) {
      if (signature_.Input(array.name) != nullptr) continue;
      // Tokenizers give token types and masks whether a model takes them or not.
      if (MakeTextInput({array.name, ElementType::kInt64, {}}, {}).has_value()) continue;
      const std::string meant = DidYouMean(array.name, names);
      return UsageError(
          set_.origin, ": holds an array '", VisibleStart(array.name), "', and ", model_,
          " has no input of that name",
          meant.empty() ? absl::StrCat("; its inputs are ", NamesText(signature_.inputs)) : meant);
    }
    return absl::OkStatus();
  }

  // Open dimensions of the given, for what is made up.
  void Learn(const ValueSignature& input) {
    const Tensor* given = Given(input);
    if (given == nullptr || given->dims().size() != input.dims.size()) return;
    const std::vector<std::int64_t>& dims = given->dims();
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      const Dimension& dimension = input.dims[axis];
      if (!dimension.fixed() && !dimension.symbol.empty()) {
        options_.dims[dimension.symbol] = dims[axis];
      }
    }
    constexpr std::size_t kPositions = 2;  // of [batch, heads, positions, size]
    if (absl::StartsWith(input.name, kPastPrefix)) {
      if (dims.size() == 4 && !absl::StrContains(input.name, ".encoder.")) {
        text_.before = dims[kPositions];
      }
    } else if (dims.size() >= 2 && (absl::EndsWith(input.name, "input_ids") ||
                                    absl::EndsWith(input.name, "inputs_embeds"))) {
      text_.sequences = dims[0];
      text_.count = dims[1];
      has_text_ = true;
    } else if (!batch_.has_value() && !dims.empty() && !input.dims[0].fixed()) {
      batch_ = dims[0];
    }
  }

  absl::StatusOr<Tensor> Checked(const ValueSignature& input, const Tensor& given) const {
    bool fits = given.dims().size() == input.dims.size();
    for (std::size_t axis = 0; fits && axis < input.dims.size(); ++axis) {
      fits = !input.dims[axis].fixed() || input.dims[axis].size == given.dims()[axis];
    }
    const auto refuse = [&](const auto&... why) {
      return UsageError(set_.origin, ": input '", VisibleStart(input.name), "' of ", model_, " is ",
                        SignatureText(input), "; found ", TypeText(given), why...);
    };
    if (!fits) return refuse();
    std::optional<Tensor> converted = ConvertTensor(given, input.type);
    if (converted.has_value()) return *std::move(converted);
    const bool numbers = !given.is_float() && !IsFloat(input.type);
    return numbers ? refuse(", with numbers that do not fit")
                   : refuse("; give it as numpy's ", NameOf(input.type));
  }

  absl::StatusOr<Tensor> Made(const ValueSignature& input) const {
    const std::int64_t sequences = has_text_ ? text_.sequences : batch_.value_or(1);
    if (absl::StartsWith(input.name, kPastPrefix)) return EmptyCache(input, sequences);
    if (has_text_ || !IsTextMask(input.name)) {
      if (auto made = MakeTextInput(input, {sequences, text_.count, text_.before})) {
        if (made->type() != ElementType::kUndefined) return *std::move(made);
      }
    }
    if (CanBeMadeUp(input)) return MakeInput(input, options_);
    std::vector<std::string> given;
    for (const NamedTensor& array : set_.arrays) given.push_back(VisibleStart(array.name));
    return UsageError(set_.origin, ": holds no array '", VisibleStart(input.name), "', which ",
                      model_, " takes as ", SignatureText(input), "; it holds ",
                      absl::StrJoin(given, ", "));
  }

  const std::string& model_;
  const Signature& signature_;
  const InputSet& set_;
  InputOptions options_;
  FittedInputs fitted_;
  TextShape text_;
  bool has_text_ = false;
  std::optional<std::int64_t> batch_;
};

}  // namespace

absl::StatusOr<FittedInputs> FitInputs(const std::string& model, const Signature& signature,
                                       const InputSet& set, const InputOptions& options,
                                       bool strict) {
  return Fitter(model, signature, set, options).Fit(strict);
}

}  // namespace onnxquant
