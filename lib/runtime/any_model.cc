#include "lib/runtime/any_model.h"

#include <utility>

#include "lib/base/error.h"

namespace onnxquant {

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

absl::StatusOr<std::vector<Tensor>> AnyModel::Run(absl::Span<const std::int64_t> sequence,
                                                  absl::Span<const std::string> outputs) {
  if (decoder_.has_value()) {
    decoder_->Reset();
    return decoder_->Step(sequence.subspan(0, kWholeTokens), outputs);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NamedTensor> made,
                             MakeInputs(runner_->signature(), inputs_));
  absl::StatusOr<std::vector<Tensor>> results = runner_->Run(made, outputs);
  if (!results.ok()) return SuggestDimensions(results.status(), runner_->signature());
  return results;
}

}  // namespace onnxquant
