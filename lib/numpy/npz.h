// Named arrays from NumPy's archives.
#ifndef ONNXQUANT_LIB_NUMPY_NPZ_H_
#define ONNXQUANT_LIB_NUMPY_NPZ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/numpy/npy.h"

namespace onnxquant {

struct NamedArray {
  std::string name;  // without .npy; not empty, and no other's of its file
  NumpyArray array;
};

// The content of a .npz file, as numpy.savez and numpy.savez_compressed write it; at least one
// array. `most`: bytes that they may come to together, unpacked, which is checked before anything
// is. Errors (kUsage): those of ReadZip, Unpack and ParseNpy, an entry that is no array, two of one
// name, and arrays beyond `most`.
absl::StatusOr<std::vector<NamedArray>> ParseNpz(const std::string& origin, absl::string_view file,
                                                 std::uint64_t most);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_NUMPY_NPZ_H_
