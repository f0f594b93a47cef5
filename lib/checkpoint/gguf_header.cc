#include "lib/checkpoint/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr char kAgain[] = "; the file is damaged, or was cut short: fetch it again";
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;
// Of ggml's types of metadata, by number; 0: a text or an array.
constexpr std::uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
// Arrays in arrays, which nobody writes.
constexpr int kDepth = 4;
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::uint64_t kLongestName = 65535;

class Reader {
 public:
  Reader(const std::string& path, absl::Span<const std::byte> file) : path_(path), file_(file) {}

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return file_.size() - at_; }

  absl::Status Skip(std::uint64_t bytes, const char* what) {
    if (bytes > left()) {
      return UsageError(path_, ": ", what, " at byte ", at_, " take ", bytes, " bytes, and ",
                        left(), " are left", kAgain);
    }
    at_ += bytes;
    return absl::OkStatus();
  }

  template <typename T>
  absl::StatusOr<T> Number(const char* what) {
    const std::uint64_t from = at_;
    ONNXQUANT_RETURN_IF_ERROR(Skip(sizeof(T), what));
    T number;
    std::memcpy(&number, file_.data() + from, sizeof(T));
    return number;
  }

  absl::StatusOr<std::string> Text(const char* what, std::uint64_t longest) {
    ONNXQUANT_ASSIGN_OR_RETURN(const auto length, Number<std::uint64_t>(what));
    if (length > longest) {
      return UsageError(path_, ": ", what, " at byte ", at_, " has ", length, " bytes, at most ",
                        longest, " are read", kAgain);
    }
    const std::uint64_t from = at_;
    ONNXQUANT_RETURN_IF_ERROR(Skip(length, what));
    return std::string(reinterpret_cast<const char*>(file_.data()) + from, length);
  }

  absl::Status SkipValue(std::uint32_t type, int depth) {
    if (type == kString) {
      ONNXQUANT_ASSIGN_OR_RETURN(const auto length, Number<std::uint64_t>("the length of a text"));
      return Skip(length, "a text");
    }
    if (type != kArray) {
      if (type >= std::size(kBytes)) {
        return UsageError(path_, ": metadata of type ", type, " at byte ", at_,
                          ", which GGUF does not have", kAgain);
      }
      return Skip(kBytes[type], "metadata");
    }
    if (depth >= kDepth) return UsageError(path_, ": has metadata arrays nested too deep", kAgain);
    ONNXQUANT_ASSIGN_OR_RETURN(const auto element, Number<std::uint32_t>("an array's type"));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto count, Number<std::uint64_t>("an array's length"));
    const bool scalars = element < std::size(kBytes) && kBytes[element] > 0;
    const std::uint64_t least = scalars ? kBytes[element] : 8;
    if (count > left() / least) {
      return UsageError(path_, ": an array at byte ", at_, " has ", count, " elements, and ",
                        left(), " bytes are left", kAgain);
    }
    if (scalars) return Skip(count * least, "an array");
    for (std::uint64_t i = 0; i < count; ++i) {
      ONNXQUANT_RETURN_IF_ERROR(SkipValue(element, depth + 1));
    }
    return absl::OkStatus();
  }

 private:
  const std::string& path_;
  absl::Span<const std::byte> file_;
  std::uint64_t at_ = 0;
};

absl::StatusOr<GgufTensor> ReadTensor(const std::string& path, Reader& reader) {
  GgufTensor tensor;
  ONNXQUANT_ASSIGN_OR_RETURN(tensor.name, reader.Text("a tensor's name", kLongestName));
  ONNXQUANT_ASSIGN_OR_RETURN(const auto rank, reader.Number<std::uint32_t>("dimensions"));
  if (rank > kMostDimensions) {
    return UsageError(path, ": tensor '", VisibleStart(tensor.name), "' has ", rank,
                      " dimensions, at most ", kMostDimensions, " are expected", kAgain);
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(const auto size, reader.Number<std::uint64_t>("a dimension"));
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (size != 0 && elements > kMost / 16 / size) {
      return UsageError(path, ": tensor '", VisibleStart(tensor.name),
                        "' has more elements than can be counted", kAgain);
    }
    elements *= size;
    tensor.shape.push_back(static_cast<std::int64_t>(size));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  ONNXQUANT_ASSIGN_OR_RETURN(tensor.type, reader.Number<std::uint32_t>("a tensor's type"));
  ONNXQUANT_ASSIGN_OR_RETURN(tensor.begin, reader.Number<std::uint64_t>("a tensor's place"));
  return tensor;
}

}  // namespace

bool IsGguf(absl::Span<const std::byte> file) {
  return file.size() >= 4 && std::memcmp(file.data(), "GGUF", 4) == 0;
}

absl::StatusOr<std::vector<GgufTensor>> ReadGgufHeader(const std::string& path,
                                                       absl::Span<const std::byte> file) {
  Reader reader(path, file);
  ONNXQUANT_RETURN_IF_ERROR(reader.Skip(4, "the first bytes"));
  if (!IsGguf(file)) return UsageError(path, ": is no GGUF file", kAgain);
  ONNXQUANT_ASSIGN_OR_RETURN(const auto version, reader.Number<std::uint32_t>("the version"));
  if (version != 2 && version != 3) {
    return UsageError(path, ": has GGUF version ", version, ", or another byte order; 2 and 3 are ",
                      "read");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const auto count, reader.Number<std::uint64_t>("the counts"));
  ONNXQUANT_ASSIGN_OR_RETURN(const auto fields, reader.Number<std::uint64_t>("the counts"));
  // The least that each takes.
  if (count > reader.left() / 24 || fields > reader.left() / 13) {
    return UsageError(path, ": has ", fields, " metadata fields and ", count, " tensors in ",
                      file.size(), " bytes", kAgain);
  }
  std::uint64_t alignment = 32;
  for (std::uint64_t i = 0; i < fields; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string key, reader.Text("a field's name", kLongestName));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto type, reader.Number<std::uint32_t>("a field's type"));
    constexpr std::uint32_t kUint32 = 4;
    if (key == "general.alignment" && type == kUint32) {
      ONNXQUANT_ASSIGN_OR_RETURN(alignment, reader.Number<std::uint32_t>("the alignment"));
      if (alignment == 0) return UsageError(path, ": has an alignment of 0", kAgain);
    } else {
      ONNXQUANT_RETURN_IF_ERROR(reader.SkipValue(type, 0));
    }
  }
  std::vector<GgufTensor> tensors;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(GgufTensor tensor, ReadTensor(path, reader));
    if (!names.insert(tensor.name).second) {
      return UsageError(path, ": has two tensors '", VisibleStart(tensor.name), "'", kAgain);
    }
    tensors.push_back(std::move(tensor));
  }
  const std::uint64_t data = (reader.at() + alignment - 1) / alignment * alignment;
  for (GgufTensor& tensor : tensors) {
    if (data > file.size() || tensor.begin > file.size() - data) {
      return UsageError(path, ": tensor '", VisibleStart(tensor.name), "' begins at byte ",
                        tensor.begin, " of the data, beyond the file's end", kAgain);
    }
    tensor.begin += data;
  }
  return tensors;
}

}  // namespace onnxquant
