// Measured costs, kept for the next time.
#ifndef ONNXQUANT_LIB_TUNE_COST_FILE_H_
#define ONNXQUANT_LIB_TUNE_COST_FILE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace onnxquant {

// What was measured: one weight of one model in one format, on one text.
struct CostKey {
  std::string model;        // its fingerprint
  std::string text;         // Sensitivity::text()
  std::string weight;       // its name
  std::string format;       // Candidate::words
  std::string calibration;  // what the codes were chosen by; "": nothing
  // The checker takes what the compiler writes for ours.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  auto operator<=>(const CostKey&) const = default;
};

struct MeasuredCost {
  double kl = 0;     // nats per token
  double error = 0;  // ErrorOf() of the same values
};

// A line of JSON for each, which is written at once, so that several runs may add to one file, and
// one that was interrupted goes on where it was. A line that was cut off is passed over.
class CostFile {
 public:
  // `path`: "" keeps them in memory alone; a file that is not there yet is made with the first
  // cost. Errors: kUsage for a file that cannot be read or holds other things.
  static absl::StatusOr<CostFile> Open(const std::string& path);

  const MeasuredCost* Find(const CostKey& key) const;
  // Errors: kWrite.
  absl::Status Add(const CostKey& key, const MeasuredCost& cost);

 private:
  std::string path_;
  std::map<CostKey, MeasuredCost> costs_;
  bool begins_line_ = true;  // what is written next
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_COST_FILE_H_
