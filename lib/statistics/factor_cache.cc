#include "lib/statistics/factor_cache.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "lib/base/error.h"

namespace onnxquant {

FactorCache::Entry& FactorCache::EntryOf(const methods::Choice& choice) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<Entry>& entry = entries_[{choice.statistic, choice.gradient}];
  if (entry == nullptr) entry = std::make_unique<Entry>();
  return *entry;
}

void FactorCache::KeepLast(const Shared& factors) {
  const std::lock_guard<std::mutex> lock(mutex_);
  last_used_.erase(std::remove(last_used_.begin(), last_used_.end(), factors), last_used_.end());
  last_used_.push_front(factors);
  std::uint64_t bytes = 0;
  std::size_t kept = 0;
  while (kept < last_used_.size()) {
    bytes += methods::FactorBytes(last_used_[kept]->k);
    if (kept > 0 && bytes > memory_) break;
    ++kept;
  }
  last_used_.resize(kept);
}

absl::StatusOr<methods::Factors> FactorCache::Make(const methods::Choice& choice,
                                                   std::int64_t k) const {
  const MomentsInfo* info = file_.Find(choice.statistic);
  if (info == nullptr || info->size != k) {
    return UsageError(file_.path(), ": has no moments of '", choice.statistic, "' over ", k,
                      " inputs");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> sums, file_.Sums(*info));
  if (choice.gradient.empty()) {
    auto made = methods::Factor(sums, k, {});
    file_.Release(*info);
    return made;
  }
  const GradientInfo* gradient = file_.FindGradient(choice.gradient);
  if (gradient == nullptr || gradient->inputs != k) {
    return UsageError(file_.path(), ": has no gradients at '", choice.gradient, "' over ", k,
                      " inputs");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> weighted, file_.GradientSums(*gradient));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<float> mixed,
                             methods::MixMoments(sums, weighted, k));
  file_.Release(*info);
  file_.Release(*gradient);
  return methods::Factor(mixed, k, {});
}

absl::StatusOr<FactorCache::Shared> FactorCache::Of(const methods::Choice& choice, std::int64_t k) {
  Entry& entry = EntryOf(choice);
  Shared factors;
  {
    const std::lock_guard<std::mutex> lock(entry.mutex);
    factors = entry.made.lock();
    if (factors == nullptr) {
      auto made = Make(choice, k);
      if (!made.ok()) {
        // Those of the file name it already.
        if (absl::StartsWith(made.status().message(), file_.path())) return made.status();
        return UsageError(file_.path(), ": moments of '", choice.statistic,
                          "': ", made.status().message());
      }
      factors = std::make_shared<const methods::Factors>(*std::move(made));
      entry.made = factors;
    }
  }
  KeepLast(factors);
  return factors;
}

}  // namespace onnxquant
