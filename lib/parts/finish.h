// Whether all data files are done, and what is left to do once they are.
#ifndef ONNXQUANT_LIB_PARTS_FINISH_H_
#define ONNXQUANT_LIB_PARTS_FINISH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/convert/output_writer.h"
#include "lib/convert/plan_state.h"
#include "lib/parts/data_files.h"
#include "lib/parts/manifest.h"
#include "lib/parts/staging.h"

namespace onnxquant {

struct MadeByParts {
  MadeBefore made;
  std::vector<std::vector<std::string>> warnings;  // by output, as the records have them
};

// `files`, those of all outputs, as records and folder show them. Errors: kVerify, which lists what
// is missing or damaged with the part that makes it; kUsage, kCancelled.
absl::StatusOr<MadeByParts> GatherParts(const Manifest& manifest, const PlanAccess::State& state,
                                        absl::Span<const DataFile> files, const Staging& staging,
                                        const PartOptions& options);

// Whether an earlier run was ended after it had put all in place: it has noted that, or the
// outputs' folder has all .onnx files and the very files that stand in the staging folder; what was
// moved from there is known by its hash. Errors: kUsage, kWrite, kCancelled.
absl::StatusOr<bool> IsInPlace(const Manifest& manifest, const PlanAccess::State& state,
                               absl::Span<const DataFile> files, const Staging& staging,
                               const PartOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_FINISH_H_
