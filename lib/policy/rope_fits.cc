#include "lib/policy/rope_fits.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lib/base/error.h"
#include "lib/model/float_payload.h"

namespace onnxquant {
namespace {

using Bytes = absl::Span<const std::byte>;

// The numbers of a payload: in place where they can be read so.
class Floats {
 public:
  Floats(Bytes payload, ElementType type) {
    const bool in_place = type == ElementType::kFloat &&
                          reinterpret_cast<std::uintptr_t>(payload.data()) % alignof(float) == 0;
    if (in_place) {
      values_ = {reinterpret_cast<const float*>(payload.data()), payload.size() / sizeof(float)};
    } else {
      own_ = FloatsOfPayload(payload, type);
      values_ = own_;
    }
  }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  absl::Span<const float> values() const { return values_; }

 private:
  std::vector<float> own_;
  absl::Span<const float> values_;
};

// What a cache's fit depends on.
struct Payloads {
  Bytes cosines;
  Bytes sines;
  ElementType type = ElementType::kFloat;
  std::int64_t columns = 0;
  bool operator==(const Payloads& other) const {
    return type == other.type && columns == other.columns && cosines == other.cosines &&
           sines == other.sines;
  }
};

bool Computes(const Settings& set) {
  return set.rope_cache && set.rope_cache->kind == RopeCacheSetting::Kind::kComputed;
}

}  // namespace

bool ComputesRope(const Policy& policy) {
  return std::any_of(policy.outputs.begin(), policy.outputs.end(),
                     [](const OutputSpec& output) { return Computes(output.defaults); }) ||
         std::any_of(policy.rules.begin(), policy.rules.end(),
                     [](const Rule& rule) { return Computes(rule.set); });
}

absl::StatusOr<std::vector<RopeFit>> FitRopeCaches(const Analysis& analysis,
                                                   const Evidence& evidence) {
  std::vector<RopeFit> fits;
  std::vector<Payloads> payloads;  // models may store one pair for each layer
  for (const RopeCache& cache : analysis.rope.caches) {
    RopeFit fit;
    payloads.emplace_back();
    fit.reason = cache.refusal;
    if (fit.ok() && evidence.model == nullptr) fit.reason = "their values are not at hand";
    if (fit.ok() && analysis.types[cache.cosines] != analysis.types[cache.sines]) {
      fit.reason = "the cosines and sines are of two types";
    }
    if (!fit.ok() || evidence.model == nullptr) {
      fits.push_back(std::move(fit));
      continue;
    }
    const onnx::TensorProto& cosines = *ConstantTensor(analysis.graph, cache.cosines);
    const onnx::TensorProto& sines = *ConstantTensor(analysis.graph, cache.sines);
    Payloads& own = payloads.back();
    own.type = analysis.types[cache.cosines];
    own.columns = cosines.dims(1);
    ONNXQUANT_ASSIGN_OR_RETURN(own.cosines, evidence.model->Bytes(cosines));
    ONNXQUANT_ASSIGN_OR_RETURN(own.sines, evidence.model->Bytes(sines));
    const auto same = std::find(payloads.begin(), payloads.end(), own) - payloads.begin();
    if (static_cast<std::size_t>(same) < fits.size()) {
      fits.push_back(fits[static_cast<std::size_t>(same)]);
      continue;
    }
    const Floats of_cosines(own.cosines, own.type);
    const Floats of_sines(own.sines, own.type);
    fits.push_back(FitRope({of_cosines.values(), of_sines.values(), own.columns, own.type}));
    evidence.model->Release(cosines, 0, own.cosines.size());
    evidence.model->Release(sines, 0, own.sines.size());
  }
  return fits;
}

}  // namespace onnxquant
