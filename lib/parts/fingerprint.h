// Tells apart the inputs that parts of one conversion must not be made of.
#ifndef ONNXQUANT_LIB_PARTS_FINGERPRINT_H_
#define ONNXQUANT_LIB_PARTS_FINGERPRINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/model/model.h"

namespace onnxquant {

// SHA-256 of every tensor's place, type and shape, and of its bytes: all of them up to 4 KiB, else
// three stretches of 1 KiB at its beginning, middle and end. So a model of any size is known again
// in no time: one whose weights were trained further has another fingerprint; a few numbers changed
// by hand inside a large weight may go unnoticed. What becomes of the graph is compared as a whole,
// elsewhere.
absl::StatusOr<std::string> WeightsFingerprint(const Model& model);

// SHA-256 of a file's size and bytes: all up to 16 MiB, else sixteen stretches of 64 KiB, spread
// evenly. "" for no path. Error (kUsage): it cannot be read.
absl::StatusOr<std::string> FileFingerprint(const std::string& path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_FINGERPRINT_H_
