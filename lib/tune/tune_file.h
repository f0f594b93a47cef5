// A policy of a size as a file.
#ifndef ONNXQUANT_LIB_TUNE_TUNE_FILE_H_
#define ONNXQUANT_LIB_TUNE_TUNE_FILE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/files/single_output.h"
#include "lib/tune/tune.h"

namespace onnxquant {

struct TuneReport {
  std::string model;
  std::string output;  // the policy's file; "" where none was written
  Tuning tuning;
  std::optional<double> measured_kl;  // of the output as it is written, on text of another seed
  double seconds = 0;
};

// Tunes, and writes the policy to `output`, whose folder is looked at before anything is measured;
// with the path "" it stands in the result alone. `confirm`: measure at the end what the policy
// costs. Errors: those of Tune, Confirm and OpenOutput; after an error nothing is left behind.
absl::StatusOr<TuneReport> TuneToFile(const TuneOptions& options, const SingleOutput& output,
                                      bool confirm);

// {"model", "output", "policy": {"name", "chosen_because"}, "dtype", "bytes", "predicted_kl",
// "measured_kl", "bytes_before", "predicted_kl_before", "tokens", "measured", "seconds", "front":
// [{"bytes", "kl"}], "weights":
// [{"name", "role", "layer", "format", "bytes", "kl", "changed"}]}; null is what there is not.
// UTF-8, indented, with a newline at its end.
std::string ToJson(const TuneReport& report);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_TUNE_FILE_H_
