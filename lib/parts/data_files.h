// What the data files of planned outputs are made of, and how they are shared out to parts.
#ifndef ONNXQUANT_LIB_PARTS_DATA_FILES_H_
#define ONNXQUANT_LIB_PARTS_DATA_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/convert/planned_output.h"
#include "onnxquant/manifest.h"

namespace onnxquant {

struct DataFile {
  std::size_t output = 0;  // index
  int shard = 0;
  std::string name;
  std::uint64_t bytes = 0;
  std::vector<std::size_t> jobs;  // of the output's Rewritten::jobs, those that fill tensors in it
  // Of these, those whose first tensor in a data file lies here: what they put into the .onnx file,
  // and their warnings, go into this file's record.
  std::vector<std::size_t> owned;
  std::uint64_t source_bytes = 0;  // of the constants that the jobs read
};

// In the order in which parts take them: files of different outputs that are made of the same
// stretch of the model stand together, so that few parts read the same constant.
std::vector<DataFile> DataFilesOf(absl::Span<const PlannedOutput> outputs);

// Error (kUsage): there is no such part.
absl::Status CheckPart(Part part);

// Indices of the part's files: contiguous, and of about 1/of of all that is read and written.
std::vector<std::size_t> FilesOfPart(absl::Span<const DataFile> files, Part part);

// The number of the part, from 1 on, that has the file of this index.
int NumberOfPart(absl::Span<const DataFile> files, std::size_t index, int of);

// Jobs whose tensors all lie inside the .onnx file.
std::vector<std::size_t> JobsOfModelFile(const PlannedOutput& output);

// Of a job's tensors, those that lie inside the .onnx file.
std::vector<int> InlineTargets(const PlannedOutput& output, std::size_t job);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_DATA_FILES_H_
