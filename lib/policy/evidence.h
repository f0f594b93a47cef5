// What is known of a model beyond its structure: its weights, and what was measured when it ran.
#ifndef ONNXQUANT_LIB_POLICY_EVIDENCE_H_
#define ONNXQUANT_LIB_POLICY_EVIDENCE_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lib/graph/graph.h"
#include "lib/model/model.h"

namespace onnxquant {

// Measured magnitudes of float values, by name.
struct Ranges {
  std::string file;
  absl::flat_hash_map<std::string, double> peaks;  // the largest |x| of each value
};

// Reads {"values": {NAME: {"peak": NUMBER, …}, …}, …}; other keys are left alone. Errors (kUsage)
// begin with the path.
absl::StatusOr<Ranges> LoadRanges(const std::string& path);

// What a calibration knows: by reading of a weight (node, input), the value that is multiplied with
// it, whose moments the file has under that name.
struct Calibrated {
  std::string file;
  absl::flat_hash_map<std::pair<NodeId, int>, std::string> inputs;
  // By product, its output, at which the file has gradients; most files have none.
  absl::flat_hash_map<NodeId, std::string> gradients = {};
};

struct Evidence {
  const Model* model = nullptr;  // to read weights from; null: there are none to read
  std::optional<Ranges> ranges = {};
  std::optional<Calibrated> calibration = {};
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_EVIDENCE_H_
