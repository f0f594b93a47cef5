// Whose fault an error is. Every absl::Status that onnxquant returns carries one.
#ifndef ONNXQUANT_ERROR_H_
#define ONNXQUANT_ERROR_H_

#include "absl/status/status.h"
#include "onnxquant/export.h"

namespace onnxquant {

// Each kind has an exit status of the command line.
enum class ErrorKind {
  kUsage,      // the caller's arguments
  kModel,      // the model is damaged, invalid or unsupported
  kPolicy,     // the policy is wrong, or does not fit the model
  kWrite,      // the outputs could not be written
  kVerify,     // a verification failed
  kCancelled,  // the caller asked to stop
  kInternal,   // a defect in onnxquant
};

// The kind of an error status; kInternal for a status that onnxquant did not make.
ONNXQUANT_EXPORT ErrorKind KindOf(const absl::Status& status);

}  // namespace onnxquant

#endif  // ONNXQUANT_ERROR_H_
