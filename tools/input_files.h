// Which files a command reads: none of them may be replaced by a report.
#ifndef ONNXQUANT_TOOLS_INPUT_FILES_H_
#define ONNXQUANT_TOOLS_INPUT_FILES_H_

#include <string>
#include <vector>

namespace onnxquant::cli {

// The files that are read for the models: each itself, its data files, and the configurations
// beside it. `others` are added. Of a model that cannot be read, only what is known without it.
std::vector<std::string> FilesReadFor(const std::vector<std::string>& models,
                                      const std::vector<std::string>& others);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_INPUT_FILES_H_
