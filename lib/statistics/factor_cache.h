// Factors of a calibration's moments, made when they are asked for.
#ifndef ONNXQUANT_LIB_STATISTICS_FACTOR_CACHE_H_
#define ONNXQUANT_LIB_STATISTICS_FACTOR_CACHE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/methods/choose.h"
#include "lib/statistics/calibration_file.h"

namespace onnxquant {

// Neighbouring weights share factors (queries, keys and values read one input), and layers follow
// each other: those last used are kept, as long as they take no more than `memory` together, or are
// one. Threads that ask for different ones make them at the same time.
class FactorCache : public methods::FactorSource {
 public:
  // The file outlives the cache.
  FactorCache(const CalibrationFile& file, std::uint64_t memory) : file_(file), memory_(memory) {}

  // Errors (kUsage): a value that the file lacks, or of another size; sums that are none.
  absl::StatusOr<std::shared_ptr<const methods::Factors>> Of(const methods::Choice& choice,
                                                             std::int64_t k) override;
  absl::Status CheckUnchanged() const override { return file_.CheckUnchanged(); }

 private:
  using Shared = std::shared_ptr<const methods::Factors>;
  struct Entry {
    std::mutex mutex;  // held while they are made
    std::weak_ptr<const methods::Factors> made;
  };

  Entry& EntryOf(const methods::Choice& choice);
  absl::StatusOr<methods::Factors> Make(const methods::Choice& choice, std::int64_t k) const;
  void KeepLast(const Shared& factors);

  const CalibrationFile& file_;
  std::uint64_t memory_;
  std::mutex mutex_;
  // By statistic and gradient.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::unique_ptr<Entry>> entries_;
  std::deque<Shared> last_used_;  // the last one first
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_FACTOR_CACHE_H_
