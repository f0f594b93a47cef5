// What readers must know of writers.
#ifndef ONNXQUANT_LIB_FILES_PENDING_H_
#define ONNXQUANT_LIB_FILES_PENDING_H_

#include <string>

#include "absl/status/status.h"

namespace onnxquant {

// kModel: the file is one of a set that an interrupted run left half in place, so that it may not
// fit the others. Waits some seconds for a run that is just putting it there.
absl::Status CheckNotPending(const std::string& path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_PENDING_H_
