// Temporary files of processes that have ended.
#ifndef ONNXQUANT_LIB_FILES_LITTER_H_
#define ONNXQUANT_LIB_FILES_LITTER_H_

#include <string>
#include <vector>

#include "lib/files/folder.h"

namespace onnxquant {

// Removes them and adds their paths. `locked`: the caller holds the folder's lock, and has settled
// what was pending there; then a file that can be locked is nobody's. Else only those go whose
// process has ended for sure. What cannot be removed stays.
void RemoveLitter(const Folder& folder, bool locked, std::vector<std::string>& removed);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_LITTER_H_
