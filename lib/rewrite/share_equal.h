// Tensors of equal bytes, which are stored once.
#ifndef ONNXQUANT_LIB_REWRITE_SHARE_EQUAL_H_
#define ONNXQUANT_LIB_REWRITE_SHARE_EQUAL_H_

#include "absl/status/status.h"
#include "lib/model/model.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

// Finds constants of 64 KiB and more that have the same bytes, type and shape in the source, be it
// as one range of a file or as several, and are stored in the same form; and those whose codes are
// the same because one is the other's transpose. All but the first lose their jobs, and
// result.same_as says whose bytes they have. Where codes are not tied to those of
// other forms, this is so for their scales and zero points alone. Of each constant a few
// samples are read, and the whole only of those whose samples agree.
absl::Status ShareEqual(const Model& model, Rewritten& result);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_SHARE_EQUAL_H_
