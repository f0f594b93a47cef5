// Runs a model and sums up what its products read.
#ifndef ONNXQUANT_LIB_CALIBRATE_CALIBRATE_H_
#define ONNXQUANT_LIB_CALIBRATE_CALIBRATE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/calibrate/gradient_plan.h"
#include "lib/calibrate/snapshot.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/text_source.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/statistics.h"
#include "lib/statistics/targets.h"

namespace onnxquant {

struct CalibrationOptions {
  std::string model;
  std::string tokens = kSelf;  // or a file; kSelf too where inputs.files are read instead
  std::size_t count = 0;       // tokens to read of a file; 0: all
  // Of the model's own text; of a model without tokens, how often it runs on made-up inputs.
  std::size_t sequences = 96;
  std::size_t length = 256;  // tokens of a sequence
  std::size_t batch = 32;    // sequences side by side, at most; fewer where caches would not fit
  std::size_t chunk = 256;   // tokens of a file in a step
  // Of the text, so many sequences are also read backwards, for gradients; 0: none.
  std::size_t gradients = 0;
  InputOptions inputs;  // with the seed
  // Of sums and rows that wait to be added; the model runs again for values that do not fit. The
  // caches of sequences side by side take at most half as much.
  std::uint64_t memory = std::uint64_t{4} << 30;
  RunnerOptions runner;
  RunnerFactory factory;
  std::string tool;  // "onnxquant 1.2.3", for the metadata
  std::function<bool()> cancelled;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // tokens, over all passes
  // Called between texts with what has been summed so far; whether and where it is kept, and as
  // which run, is not decided here. None: it is not called.
  std::function<absl::Status(SnapshotPlace place, absl::Span<const Moments> done, MomentSums& sums)>
      save;
  // Of the same run (RunOf), from which it goes on; null: it begins.
  const Snapshot* resume = nullptr;
};

// What will be observed, decided before anything runs.
struct CalibrationPlan {
  std::vector<MomentsInfo> values;  // counts are 0 yet; producers before consumers
  std::vector<int> layers;          // by value; -1 outside layers
  std::vector<RowsAlong> along;     // by value
  std::vector<Unobserved> others;
  // Indices of `values`, a list for each time the model runs.
  std::vector<std::vector<std::size_t>> passes;
  GradientPlan gradients;    // no places where they are not asked for, or the model has none
  std::string no_gradients;  // why not, though they were asked for: a sentence
  std::vector<std::vector<std::size_t>> gradient_passes;  // likewise, of their places
  std::string fingerprint;
  // For how many positions the model has tables of rotary embeddings; 0: it has none. Texts that it
  // writes are no longer than that.
  std::size_t positions = 0;
};

// Errors: kModel for a model that cannot be read, has nothing to observe, or holds codes; kUsage
// for a memory that one value's sums exceed.
absl::StatusOr<CalibrationPlan> PlanCalibration(const CalibrationOptions& options);

// All that decides the sums, as text: what was kept of a run serves another of the same text alone.
// Errors: those of reading the file of tokens.
absl::StatusOr<std::string> RunOf(const CalibrationOptions& options, const CalibrationPlan& plan);

struct Calibration {
  Statistics statistics;  // in the plan's order
  std::vector<std::string> warnings;
};

// Errors: those of reading tokens (kUsage), of loading and running the model, and of values that
// hold NaN (kVerify); kCancelled.
absl::StatusOr<Calibration> Calibrate(const CalibrationOptions& options,
                                      const CalibrationPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_CALIBRATE_H_
