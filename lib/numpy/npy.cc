#include "lib/numpy/npy.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

constexpr std::size_t kShown = 200;  // bytes of a header in a message

// What a header says.
struct Layout {
  ElementType type = ElementType::kUndefined;
  bool big_endian = false;
  bool fortran = false;
  std::vector<std::int64_t> dims;
};

// Magic, version and length of the header are cut off; the header, a Python dictionary, is
// returned.
absl::StatusOr<absl::string_view> TakeHeader(const std::string& origin, absl::string_view& file) {
  constexpr absl::string_view kMagic = "\x93NUMPY";
  constexpr std::size_t kLongest = 12;
  if (file.size() < kLongest || !absl::ConsumePrefix(&file, kMagic)) {
    return UsageError(origin, ": is no NumPy file");
  }
  const int version = static_cast<unsigned char>(file[0]);
  if (version < 1 || version > 3) {
    return UsageError(origin, ": is a NumPy file of format ", version, "; 1 to 3 are known");
  }
  file.remove_prefix(2);
  const std::size_t digits = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(file[i])) << (8 * i);
  }
  file.remove_prefix(digits);
  if (length > file.size()) return UsageError(origin, ": ends within its header");
  if (static_cast<std::int64_t>(length) > limits::kNumpyHeader) {
    return UsageError(origin, ": has a header of ", length, " bytes; at most ",
                      limits::kNumpyHeader, " are read");
  }
  const absl::string_view header = file.substr(0, length);
  file.remove_prefix(length);
  return header;
}

// By kind and size as NumPy writes them: "f4".
ElementType TypeOf(const std::string& code) {
  static const std::pair<const char*, ElementType> kTypes[] = {
      {"f2", ElementType::kFloat16}, {"f4", ElementType::kFloat},  {"f8", ElementType::kDouble},
      {"i1", ElementType::kInt8},    {"i2", ElementType::kInt16},  {"i4", ElementType::kInt32},
      {"i8", ElementType::kInt64},   {"u1", ElementType::kUint8},  {"u2", ElementType::kUint16},
      {"u4", ElementType::kUint32},  {"u8", ElementType::kUint64}, {"b1", ElementType::kBool},
      {"V2", ElementType::kBFloat16}};
  for (const auto& [name, type] : kTypes) {
    if (code == name) return type;
  }
  return ElementType::kUndefined;
}

absl::Status RefuseType(const std::string& origin, const std::string& code) {
  const char* found = "another type";
  switch (code.empty() ? '\0' : code[0]) {
    case 'O':
      found = "Python objects, which are not read, for reading them can run a program";
      break;
    case 'U':
    case 'S':
      found = "text";
      break;
    case 'c':
      found = "complex numbers";
      break;
    case 'M':
    case 'm':
      found = "dates";
      break;
    default:
      break;
  }
  return UsageError(origin, ": holds ", found, " ('", VisibleStart(code, kShown),
                    "'); expected booleans, integers or floats of at most 8 bytes, as "
                    "array.astype(numpy.float32) has them");
}

// "3, 4" or "3,".
bool ReadShape(const std::string& text, std::vector<std::int64_t>& dims) {
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    part = absl::StripAsciiWhitespace(part);
    std::int64_t dim = 0;
    if (part.empty()) continue;
    if (!absl::SimpleAtoi(part, &dim) || dim < 0) return false;
    dims.push_back(dim);
  }
  return true;
}

absl::StatusOr<Layout> ReadLayout(const std::string& origin, absl::string_view header) {
  static const auto* const descr = new RE2(R"('descr': ?'([<>|=]?)([A-Za-z]\w*)')");
  static const auto* const order = new RE2(R"('fortran_order': ?(True|False))");
  static const auto* const shape = new RE2(R"('shape': ?\(([\d, ]*)\))");
  const re2::StringPiece text(header.data(), header.size());
  std::string endian;
  std::string code;
  std::string fortran;
  std::string dims;
  if (!RE2::PartialMatch(text, *descr, &endian, &code) ||
      !RE2::PartialMatch(text, *order, &fortran) || !RE2::PartialMatch(text, *shape, &dims)) {
    return UsageError(origin, ": is an array with the header ",
                      VisibleStart(absl::StripAsciiWhitespace(header), kShown),
                      "; expected one of numbers, with 'descr', 'fortran_order' and 'shape'");
  }
  Layout layout;
  layout.type = TypeOf(code);
  if (layout.type == ElementType::kUndefined) return RefuseType(origin, code);
  layout.big_endian = endian == ">";
  layout.fortran = fortran == "True";
  if (!ReadShape(dims, layout.dims)) return UsageError(origin, ": its shape cannot be read");
  if (layout.dims.size() > limits::kNumpyRank) {
    return UsageError(origin, ": has ", layout.dims.size(), " dimensions; at most ",
                      limits::kNumpyRank, " are read");
  }
  return layout;
}

void SwapBytes(std::vector<std::byte>& bytes, std::size_t size) {
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
}

// The first dimension runs fastest in `from`, the last in the result.
std::vector<std::byte> FromFortran(const std::vector<std::byte>& from,
                                   absl::Span<const std::int64_t> dims, std::size_t size) {
  std::vector<std::byte> to(from.size());
  std::vector<std::size_t> strides;  // of `from`, in elements
  std::size_t stride = 1;
  for (const std::int64_t dim : dims) {
    strides.push_back(stride);
    stride *= static_cast<std::size_t>(dim);
  }
  std::vector<std::int64_t> index(dims.size(), 0);
  std::size_t source = 0;
  for (std::size_t at = 0; at < to.size(); at += size) {
    std::memcpy(to.data() + at, from.data() + source * size, size);
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < dims[axis]) break;
      source -= strides[axis] * static_cast<std::size_t>(dims[axis]);
      index[axis] = 0;
    }
  }
  return to;
}

}  // namespace

std::size_t NumpyArray::elements() const {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return count;
}

absl::StatusOr<NumpyArray> ParseNpy(const std::string& origin, absl::string_view file) {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::string_view header, TakeHeader(origin, file));
  ONNXQUANT_ASSIGN_OR_RETURN(Layout layout, ReadLayout(origin, header));
  const absl::StatusOr<std::uint64_t> needed = PackedBytes(layout.type, layout.dims);
  if (!needed.ok() || *needed > file.size()) {
    return UsageError(origin, ": has ", file.size(), " bytes of elements; its shape needs more",
                      needed.ok() ? absl::StrCat(": ", *needed) : "");
  }
  if (*needed < file.size()) {
    return UsageError(origin, ": has ", file.size(), " bytes of elements; its shape needs ",
                      *needed, ", and what the others are is not known");
  }
  const auto size = static_cast<std::size_t>(BitsOf(layout.type)) / 8;
  std::vector<std::byte> bytes(file.size());
  if (!file.empty()) std::memcpy(bytes.data(), file.data(), file.size());
  if (layout.big_endian) SwapBytes(bytes, size);
  if (layout.fortran && layout.dims.size() > 1) bytes = FromFortran(bytes, layout.dims, size);
  if (layout.type == ElementType::kBool) {
    // A bool that is neither 0 nor 1 is undefined behaviour to whoever reads it.
    for (std::byte& byte : bytes) byte = byte == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  NumpyArray array;
  array.type = layout.type;
  array.dims = std::move(layout.dims);
  array.bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return array;
}

}  // namespace onnxquant
