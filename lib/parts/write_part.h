// Makes data files of planned outputs, each with its record.
#ifndef ONNXQUANT_LIB_PARTS_WRITE_PART_H_
#define ONNXQUANT_LIB_PARTS_WRITE_PART_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/convert/plan_state.h"
#include "lib/parts/data_files.h"
#include "lib/parts/staging.h"
#include "onnxquant/manifest.h"

namespace onnxquant {

struct PartJob {
  const PlanAccess::State* state = nullptr;
  std::string manifest;  // its id
  Part part;
};

// Some at a time, so that a run that is killed has done what came before: the files at once take at
// most kBytesAtOnce, or are one. A constant that becomes parts of several of them is read once.
// `sha256` gets the hash of each.
inline constexpr std::uint64_t kBytesAtOnce = 8'000'000'000;
absl::Status WriteDataFiles(const PartJob& job, absl::Span<const DataFile> files,
                            const Staging& staging, const ApplyOptions& options,
                            std::vector<std::string>& sha256,
                            std::uint64_t bytes_at_once = kBytesAtOnce);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_WRITE_PART_H_
