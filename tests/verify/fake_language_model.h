// Language models of a few lines, for tests.
#ifndef ONNXQUANT_TESTS_VERIFY_FAKE_LANGUAGE_MODEL_H_
#define ONNXQUANT_TESTS_VERIFY_FAKE_LANGUAGE_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/runtime/runner.h"

namespace onnxquant {

// A language model without weights: the logit of the token after the one that was read is `peak`,
// the others are 0. A callback in place of a runtime.
struct FakeModel {
  std::int64_t vocabulary = 8;
  float peak = 3;
  float poison = 0;           // added to the first logit of every position after the third
  std::int64_t sink = -1;     // a token that follows itself
  std::int64_t endless = -1;  // a token whose logit wins everywhere
  bool cache = true;
};

class FakeRunner : public Runner {
 public:
  explicit FakeRunner(FakeModel model) : model_(model) {
    const Dimension open{-1, "n"};
    signature_.inputs = {{"input_ids", ElementType::kInt64, {open, open}}};
    signature_.outputs = {{"logits", ElementType::kFloat, {open, open, {model.vocabulary, ""}}}};
    if (!model.cache) return;
    signature_.inputs.push_back(
        {"past_key_values.0.key", ElementType::kFloat, {open, {1, ""}, open, {1, ""}}});
    signature_.outputs.push_back(
        {"present.0.key", ElementType::kFloat, {open, {1, ""}, open, {1, ""}}});
  }

  const Signature& signature() const override { return signature_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    const Tensor& ids = inputs[0].tensor;
    const std::int64_t past = model_.cache ? inputs[1].tensor.dims()[2] : 0;
    const std::int64_t count = ids.dims()[1];
    std::vector<float> logits(static_cast<std::size_t>(count * model_.vocabulary));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto* id = reinterpret_cast<const std::int64_t*>(ids.bytes().data()) + i;
      float* row = logits.data() + i * model_.vocabulary;
      row[*id == model_.sink ? *id : (*id + 1) % model_.vocabulary] = model_.peak;
      if (past + i >= 3) row[0] += model_.poison;
      if (model_.endless >= 0) row[model_.endless] = 2 * model_.peak;
    }
    std::vector<Tensor> results;
    for (const std::string& output : outputs) {
      if (output == "logits") {
        results.push_back(
            Tensor::OfFloats(ElementType::kFloat, {1, count, model_.vocabulary}, logits));
      } else {
        const auto length = static_cast<std::size_t>(past + count);
        results.push_back(Tensor::OfFloats(ElementType::kFloat, {1, 1, past + count, 1},
                                           std::vector<float>(length)));
      }
    }
    return results;
  }

 private:
  FakeModel model_;
  Signature signature_;
};

using FakeModels = std::map<std::string, FakeModel>;

// Runs those of `models`, which must outlive it, by their paths; others do not load.
inline RunnerFactory FakeFactory(const FakeModels* models) {
  return [models](const ModelSource& source,
                  const RunnerOptions&) -> absl::StatusOr<std::unique_ptr<Runner>> {
    const auto found = models->find(source.path);
    if (found == models->end()) {
      return MakeError(ErrorKind::kVerify, source.path + ": does not load");
    }
    return std::make_unique<FakeRunner>(found->second);
  };
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_VERIFY_FAKE_LANGUAGE_MODEL_H_
