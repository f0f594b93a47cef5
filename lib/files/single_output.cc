#include "lib/files/single_output.h"

#include <filesystem>

#include "lib/base/error.h"
#include "lib/files/folder.h"

namespace onnxquant {

absl::StatusOr<OutputFiles> OpenOutput(const SingleOutput& output,
                                       absl::Span<const std::string> inputs, std::uint64_t bytes) {
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files, OutputFiles::Create(ParentFolder(output.path), {.force = output.force,
                                                                         .waiting = output.waiting,
                                                                         .option = output.option}));
  for (const std::string& input : inputs) files.Protect(input);
  const std::string name = std::filesystem::path(output.path).filename().string();
  ONNXQUANT_RETURN_IF_ERROR(files.Add(name, bytes).status());
  return files;
}

}  // namespace onnxquant
