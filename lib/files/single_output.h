// A run's result as one file.
#ifndef ONNXQUANT_LIB_FILES_SINGLE_OUTPUT_H_
#define ONNXQUANT_LIB_FILES_SINGLE_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/output_files.h"

namespace onnxquant {

struct SingleOutput {
  std::string path = {};
  bool force = false;         // replace a file that exists
  Waiting waiting = {};       // as of OutputFiles
  const char* option = "-o";  // that gave the path; errors name it
};

// Opened, with `bytes` reserved, before the work begins, so that what would stop it at its end
// stops it at its start: a file that exists, one of the `inputs`, a folder that cannot be written
// to, a full disk (kWrite). The file's handle is 0.
absl::StatusOr<OutputFiles> OpenOutput(const SingleOutput& output,
                                       absl::Span<const std::string> inputs, std::uint64_t bytes);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_SINGLE_OUTPUT_H_
