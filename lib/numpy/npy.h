// Arrays from NumPy's files.
#ifndef ONNXQUANT_LIB_NUMPY_NPY_H_
#define ONNXQUANT_LIB_NUMPY_NPY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// Row-major and little-endian, whatever the file had. Copies share the payload.
struct NumpyArray {
  ElementType type = ElementType::kUndefined;
  std::vector<std::int64_t> dims;  // none of a scalar
  std::shared_ptr<const std::vector<std::byte>> bytes;

  absl::Span<const std::byte> payload() const { return *bytes; }
  std::size_t elements() const;
};

// The content of a .npy file of formats 1.0 to 3.0: numbers of 1 to 8 bytes or booleans, in either
// byte order, in C or Fortran order. What ml_dtypes saves as '<V2' is bfloat16. Errors (kUsage)
// begin with `origin`: among them Python objects, which are never unpickled, text, complex numbers
// and dates. Nothing is taken from the header that the file does not hold, to the byte.
absl::StatusOr<NumpyArray> ParseNpy(const std::string& origin, absl::string_view file);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_NUMPY_NPY_H_
