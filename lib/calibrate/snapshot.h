// A calibration that has not ended yet, as a file from which another run goes on.
#ifndef ONNXQUANT_LIB_CALIBRATE_SNAPSHOT_H_
#define ONNXQUANT_LIB_CALIBRATE_SNAPSHOT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/calibrate/moment_sums.h"
#include "lib/files/mapped_file.h"
#include "lib/files/single_output.h"
#include "lib/runtime/tokens.h"
#include "lib/statistics/statistics.h"

namespace onnxquant {

// Where a calibration stands, between two texts.
struct SnapshotPlace {
  std::string run;         // all that decides its sums: a run of another text does not go on
  std::size_t pass = 0;    // that it is in
  std::size_t texts = 0;   // of the pass, that have been read
  TokenSequences written;  // so far, of the model's own
};

// Writes the file (safetensors): `done`, the moments of the passes before, and `sums` of this one.
// What stands there is replaced. Errors: kWrite.
absl::Status WriteSnapshot(const SingleOutput& output, const SnapshotPlace& place,
                           absl::Span<const Moments> done, MomentSums& sums);

// A file that WriteSnapshot has written, mapped.
class Snapshot {
 public:
  // Errors (kUsage, kModel): a file that is none, or is damaged.
  static absl::StatusOr<Snapshot> Open(const std::string& path);

  const SnapshotPlace& place() const { return place_; }
  // The moments of the passes before.
  std::vector<Moments> Done() const;
  // Sets `sums`. Error (kUsage): they are of other values.
  absl::Status Restore(MomentSums& sums) const;

 private:
  struct Value {
    std::string name;
    std::int64_t size = 0;
    std::uint64_t count = 0;       // rows in its sums
    std::uint64_t kept = 0;        // rows that wait to be added
    absl::Span<const float> sums;  // in the mapping
    absl::Span<const float> kept_rows;
  };

  explicit Snapshot(MappedFile file) : file_(std::move(file)) {}

  MappedFile file_;
  SnapshotPlace place_;
  std::vector<Value> done_;
  std::vector<Value> now_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_SNAPSHOT_H_
