#include "lib/runtime/any_model.h"

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/runtime/fit_inputs.h"
#include "lib/runtime/text_inputs.h"

namespace onnxquant {
namespace {

// Rows of one text, of which parts are padding.
absl::StatusOr<std::vector<NamedTensor>> PaddedText(const Signature& signature,
                                                    const std::string& ids,
                                                    absl::Span<const std::int64_t> tokens,
                                                    InputOptions options) {
  constexpr std::size_t kPaddedTokens = 64;  // what comes of masks shows in a few
  constexpr std::size_t kLeastTokens = 8;
  std::vector<std::int64_t> row(tokens.begin(), tokens.end());
  row.resize(std::clamp(row.size(), kLeastTokens, kPaddedTokens));
  const ValueSignature& input = *signature.Input(ids);
  if (input.dims.size() == 2 && input.dims[1].fixed()) {
    row.resize(static_cast<std::size_t>(input.dims[1].size));
  }
  TextShape shape;
  shape.count = static_cast<std::int64_t>(row.size());
  shape.sequences = input.dims.empty() ? 1 : ChooseDimension(input.dims[0], 0, options);
  for (std::size_t axis = 0; axis < input.dims.size(); ++axis) {
    const Dimension& dimension = input.dims[axis];
    if (dimension.fixed() || dimension.symbol.empty()) continue;
    options.dims[dimension.symbol] = axis == 0 ? shape.sequences : shape.count;
  }
  std::vector<NamedTensor> inputs;
  for (const ValueSignature& value : signature.inputs) {
    std::optional<Tensor> made = MakeTextInput(value, shape);
    if (value.name == ids) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < shape.sequences; ++i) {
        rows.insert(rows.end(), row.begin(), row.end());
      }
      made = Tensor::OfIntegers(value.type, {shape.sequences, shape.count}, rows);
    } else if (made.has_value() && IsTextMask(value.name)) {
      made = WithPadding(*made, options.padding);
    } else if (!made.has_value()) {
      ONNXQUANT_ASSIGN_OR_RETURN(made, MakeInput(value, options));
    }
    inputs.push_back({value.name, *std::move(made)});
  }
  return inputs;
}

}  // namespace

AnyModel::AnyModel(InputOptions inputs) : inputs_(std::move(inputs)) {}

absl::StatusOr<AnyModel> AnyModel::Create(std::unique_ptr<Runner> runner,
                                          const InputOptions& inputs) {
  AnyModel model(inputs);
  ONNXQUANT_ASSIGN_OR_RETURN(const auto text, FindTextInterface(runner->signature()));
  if (text.has_value()) {
    ONNXQUANT_ASSIGN_OR_RETURN(Decoder decoder, Decoder::Create(std::move(runner), inputs));
    model.decoder_.emplace(std::move(decoder));
  } else {
    model.runner_ = std::move(runner);
  }
  return model;
}

const Signature& AnyModel::signature() const {
  return decoder_.has_value() ? decoder_->signature() : runner_->signature();
}

absl::StatusOr<std::vector<NamedTensor>> AnyModel::InputsOf(const Sample& sample) const {
  if (sample.given != nullptr) {
    ONNXQUANT_ASSIGN_OR_RETURN(FittedInputs fitted,
                               FitInputs("the model", signature(), *sample.given, inputs_, false));
    return std::move(fitted.inputs);
  }
  InputOptions options = inputs_;
  options.padding = sample.padding;
  if (!decoder_.has_value()) return MakeInputs(signature(), options);
  if (sample.padding == Padding::kNone) return std::vector<NamedTensor>();
  return PaddedText(signature(), decoder_->text().ids, sample.tokens, std::move(options));
}

absl::StatusOr<std::vector<Tensor>> AnyModel::Run(const Sample& sample,
                                                  absl::Span<const std::string> outputs) {
  if (decoder_.has_value() && sample.given == nullptr && sample.padding == Padding::kNone) {
    decoder_->Reset();
    return decoder_->Step(absl::MakeConstSpan(sample.tokens).subspan(0, kWholeTokens), outputs);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> inputs, InputsOf(sample));
  Runner& runner = decoder_.has_value() ? decoder_->runner() : *runner_;
  absl::StatusOr<std::vector<Tensor>> results = runner.Run(inputs, outputs);
  if (results.ok() || sample.given != nullptr) return results;
  return SuggestDimensions(results.status(), signature());
}

}  // namespace onnxquant
