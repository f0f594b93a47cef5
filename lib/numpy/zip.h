// Zip archives as NumPy and Python write them.
#ifndef ONNXQUANT_LIB_NUMPY_ZIP_H_
#define ONNXQUANT_LIB_NUMPY_ZIP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace onnxquant {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t size = 0;    // once it is unpacked
  absl::string_view packed;  // of the archive
};

// The entries of an archive, by its central directory, in that order; with 64-bit sizes too. What
// is refused (kUsage, the message beginning with `origin`): an archive that ends early, in several
// parts, encrypted, or with entries packed otherwise than stored or deflated; sizes that the file
// cannot hold; more than limits::kZipEntries. Nothing is unpacked, so nothing is as large as an
// entry says it is.
absl::StatusOr<std::vector<ZipEntry>> ReadZip(const std::string& origin, absl::string_view file);

// The content of an entry, whose size and checksum are held against what the archive says. Takes
// entry.size bytes of memory, which the caller bounds. Errors (kUsage) begin with `origin`.
absl::StatusOr<std::string> Unpack(const std::string& origin, const ZipEntry& entry);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_NUMPY_ZIP_H_
