// Which files are read for a model: none of them may be replaced by a result.
#ifndef ONNXQUANT_LIB_MODEL_INPUT_FILES_H_
#define ONNXQUANT_LIB_MODEL_INPUT_FILES_H_

#include <string>
#include <vector>

namespace onnxquant {

// The files that are read for the models: each itself, its data files, and the configurations
// beside it. `others` are added. Of a model that cannot be read, only what is known without it.
std::vector<std::string> FilesReadFor(const std::vector<std::string>& models,
                                      const std::vector<std::string>& others);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_INPUT_FILES_H_
