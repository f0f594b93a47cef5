// What each format of each weight costs.
#ifndef ONNXQUANT_LIB_TUNE_COSTS_H_
#define ONNXQUANT_LIB_TUNE_COSTS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/factor_cache.h"
#include "lib/tune/cost_file.h"
#include "lib/tune/sensitivity.h"
#include "lib/tune/tunable.h"
#include "lib/tune/tune.h"
#include "lib/tune/weight_values.h"

namespace onnxquant {

// Foretold by gradients, or measured; both are kept in the file of costs, where there is one.
class TuneCosts {
 public:
  // `calibration`: null for none. `longest`: positions of a text, at most; 0: no bound. All that is
  // referred to must outlive the object.
  TuneCosts(const TuneOptions& options, const Model& model, absl::Span<const Candidate> candidates,
            const CalibrationFile* calibration, std::size_t longest);

  // By weight, then by option; in nats. Of weights that are not in the options' part: nothing.
  absl::StatusOr<std::vector<std::vector<double>>> Of(absl::Span<const Tunable> tunables);

  std::size_t measured() const { return measured_; }  // the others were known, or foretold
  std::size_t positions() const { return positions_; }

 private:
  std::string CalibrationName() const;
  std::vector<CostKey> KeysOf(const Tunable& tunable, const std::string& model,
                              const std::string& text) const;
  absl::StatusOr<Sensitivity> Listen(absl::Span<const Tunable> tunables) const;
  absl::StatusOr<absl::Span<const float>> MomentsOf(const Tunable& tunable) const;
  absl::StatusOr<std::string> SumsOf(const Tunable& tunable) const;
  absl::StatusOr<std::vector<double>> Foretold(const Tunable& tunable, CostFile& known);
  absl::StatusOr<std::vector<double>> Measured(const Tunable& tunable, Sensitivity& sensitivity,
                                               CostFile& known);
  absl::Status Measure(const Tunable& tunable, absl::Span<const CostKey> keys,
                       Sensitivity& sensitivity, CostFile& known);

  const TuneOptions& options_;
  const Model& model_;
  absl::Span<const Candidate> candidates_;
  const CalibrationFile* calibration_;
  std::size_t longest_;
  std::optional<FactorCache> factors_;
  ValuesOptions values_;
  std::string fingerprint_;  // of the model, once something is measured
  std::size_t measured_ = 0;
  std::size_t positions_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_COSTS_H_
