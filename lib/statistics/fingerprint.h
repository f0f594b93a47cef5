// Tells models apart that statistics must not be exchanged between.
#ifndef ONNXQUANT_LIB_STATISTICS_FINGERPRINT_H_
#define ONNXQUANT_LIB_STATISTICS_FINGERPRINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/model/model.h"
#include "lib/statistics/targets.h"

namespace onnxquant {

// Sixteen hexadecimal digits: FNV-1a of the observed values' names and sizes and of their weights'
// types, shapes and bytes. Of a weight above 64 KB sixteen stretches of 4 KB count, spread evenly,
// so that a large model is read in no time: a fine-tuned model, whose weights all moved a little,
// has another fingerprint; one number changed by hand may go unnoticed.
//
// The graph must be that of model.proto().
absl::StatusOr<std::string> FingerprintOf(const Model& model, const Graph& graph,
                                          const ObservedValues& targets);

// Of the model in the file as it runs: what is converted may have its functions inlined and a
// higher opset. Errors: those of reading the model, and of FindTargets.
absl::StatusOr<std::string> FingerprintOfFile(const std::string& path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_FINGERPRINT_H_
