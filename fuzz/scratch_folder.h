// A folder in memory for one process, for entries that want paths.
#ifndef ONNXQUANT_FUZZ_SCRATCH_FOLDER_H_
#define ONNXQUANT_FUZZ_SCRATCH_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace onnxquant::fuzz {

// Made at the first call, in /dev/shm where that can be written to; gone when the process ends
// well.
const std::string& ScratchFolder();

// Writes a file in it and returns its path.
std::string ScratchFile(const std::string& name, const std::uint8_t* data, std::size_t size);

}  // namespace onnxquant::fuzz

#endif  // ONNXQUANT_FUZZ_SCRATCH_FOLDER_H_
