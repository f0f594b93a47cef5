#include "lib/statistics/factor_cache.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "lib/base/error.h"

namespace onnxquant {

FactorCache::Entry& FactorCache::EntryOf(const std::string& value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<Entry>& entry = entries_[value];
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

absl::StatusOr<FactorCache::Shared> FactorCache::Of(const std::string& value, std::int64_t k) {
  Entry& entry = EntryOf(value);
  Shared factors;
  {
    const std::lock_guard<std::mutex> lock(entry.mutex);
    factors = entry.made.lock();
    if (factors == nullptr) {
      const MomentsInfo* info = file_.Find(value);
      if (info == nullptr || info->size != k) {
        return UsageError(file_.path(), ": has no moments of '", value, "' over ", k, " inputs");
      }
      ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> sums, file_.Sums(*info));
      auto made = methods::Factor(sums, k, {});
      file_.Release(*info);
      if (!made.ok()) {
        return UsageError(file_.path(), ": moments of '", value, "': ", made.status().message());
      }
      factors = std::make_shared<const methods::Factors>(*std::move(made));
      entry.made = factors;
    }
  }
  KeepLast(factors);
  return factors;
}

}  // namespace onnxquant
