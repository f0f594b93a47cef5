#include "lib/runtime/input_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/numpy/npz.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

Tensor ToTensor(NumpyArray array) {
  const absl::Span<const std::byte> bytes = array.payload();
  return Tensor(array.type, std::move(array.dims), std::move(array.bytes), bytes);
}

bool EndsAsNumpys(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return absl::EndsWith(lower, ".npz") || absl::EndsWith(lower, ".npy");
}

// The files that a path stands for.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (auto entry = fs::directory_iterator(path, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (EndsAsNumpys(name) && !absl::StartsWith(name, ".")) files.push_back(entry->path().string());
  }
  if (error) return UsageError(path, ": cannot be read: ", error.message());
  if (files.empty()) return UsageError(path, ": is a folder without .npz or .npy files");
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<InputSet> ReadSet(const std::string& path, std::int64_t most) {
  constexpr absl::string_view kZip = "PK";
  constexpr absl::string_view kNumpy = "\x93NUMPY";
  constexpr std::int64_t kHeaders = 64 << 20;  // of archives
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string file,
                             ReadText(path, {.kind = ErrorKind::kUsage,
                                             .what = "a file of inputs",
                                             .remedy = "; --inputs takes NumPy's .npz and .npy "
                                                       "files, and folders of them",
                                             .largest = most + kHeaders,
                                             .pipes = true}));
  InputSet set{path, {}};
  if (absl::StartsWith(file, kNumpy)) {
    ONNXQUANT_ASSIGN_OR_RETURN(NumpyArray array, ParseNpy(path, file));
    set.arrays.push_back({"", ToTensor(std::move(array))});
  } else if (absl::StartsWith(file, kZip)) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<NamedArray> arrays,
                               ParseNpz(path, file, static_cast<std::uint64_t>(most)));
    for (NamedArray& one : arrays) {
      set.arrays.push_back({std::move(one.name), ToTensor(std::move(one.array))});
    }
  } else {
    return UsageError(path,
                      ": is no file of NumPy's; --inputs takes .npz files, as "
                      "numpy.savez('inputs.npz', input_name=array) writes them, and .npy files for "
                      "models with one input (images and sounds: through Python's inputs=)");
  }
  return set;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> InputFilesOf(absl::Span<const std::string> paths) {
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
    all.insert(all.end(), files.begin(), files.end());
  }
  return all;
}

absl::StatusOr<std::vector<InputSet>> ReadInputs(absl::Span<const std::string> paths) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> files, InputFilesOf(paths));
  std::vector<InputSet> sets;
  std::int64_t left = limits::kInputBytes;
  for (const std::string& file : files) {
    ONNXQUANT_ASSIGN_OR_RETURN(InputSet set, ReadSet(file, left));
    for (const NamedTensor& array : set.arrays) {
      left -= static_cast<std::int64_t>(array.tensor.bytes().size());
    }
    if (left < 0) {
      return UsageError(file, ": with it the inputs come to more than the ", limits::kInputBytes,
                        " bytes that may be read; give fewer");
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace onnxquant
