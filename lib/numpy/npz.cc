#include "lib/numpy/npz.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/strip.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/numpy/zip.h"

namespace onnxquant {

absl::StatusOr<std::vector<NamedArray>> ParseNpz(const std::string& origin, absl::string_view file,
                                                 std::uint64_t most) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<ZipEntry> entries, ReadZip(origin, file));
  std::uint64_t left = most;
  for (const ZipEntry& entry : entries) {
    if (entry.size > left) {
      return UsageError(origin, ": its arrays come to more than the ", most,
                        " bytes that may be read; give fewer or smaller ones");
    }
    left -= entry.size;
  }
  std::vector<NamedArray> arrays;
  absl::flat_hash_set<std::string> names;
  for (const ZipEntry& entry : entries) {
    absl::string_view name = entry.name;
    if (!absl::ConsumeSuffix(&name, ".npy") || name.empty()) {
      return UsageError(origin, ": holds '", VisibleStart(entry.name),
                        "', which is no array of NumPy's (NAME.npy)");
    }
    if (!names.insert(std::string(name)).second) {
      return UsageError(origin, ": holds two arrays '", VisibleStart(name), "'");
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string bytes, Unpack(origin, entry));
    const std::string place = absl::StrCat(origin, ": array '", VisibleStart(name), "'");
    ONNXQUANT_ASSIGN_OR_RETURN(NumpyArray array, ParseNpy(place, bytes));
    arrays.push_back({std::string(name), std::move(array)});
  }
  if (arrays.empty()) return UsageError(origin, ": holds no arrays");
  return arrays;
}

}  // namespace onnxquant
