#include "lib/numpy/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

// APPNOTE.TXT 6.3.10 of PKWARE, the sections in brackets.
constexpr absl::string_view kEnd("PK\x05\x06", 4);        // [4.3.16]
constexpr absl::string_view kEnd64("PK\x06\x06", 4);      // [4.3.14]
constexpr absl::string_view kLocator64("PK\x06\x07", 4);  // [4.3.15]
constexpr absl::string_view kDirectory("PK\x01\x02", 4);  // [4.3.12]
constexpr absl::string_view kLocal("PK\x03\x04", 4);      // [4.3.7]
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kDirectoryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::uint64_t kIn64 = 0xffffffffU;  // a size that stands among the extra fields
constexpr std::uint64_t kMost64 = 0xffffU;    // a count likewise
constexpr std::uint64_t kStored = 0;
constexpr std::uint64_t kDeflated = 8;
// What a byte of deflated data unpacks to at most, and some for the first.
constexpr std::uint64_t kLargestRatio = 1032;
constexpr std::uint64_t kSpare = 64;

// Numbers at places that were found to be there.
std::uint64_t Number(absl::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return number;
}

// `count` bytes from `at` on; nothing where the file has fewer.
std::optional<absl::string_view> Part(absl::string_view file, std::uint64_t at,
                                      std::uint64_t count) {
  if (at > file.size() || count > file.size() - at) return std::nullopt;
  return file.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(count));
}

struct Directory {
  std::uint64_t entries = 0;
  absl::string_view bytes;
};

absl::StatusOr<Directory> FindDirectory(const std::string& origin, absl::string_view file) {
  // The end has a comment of up to 65,535 bytes behind it.
  constexpr std::size_t kLongestComment = 65535;
  const std::size_t tail = std::min(file.size(), kEndBytes + kLongestComment);
  const std::size_t found = file.substr(file.size() - tail).rfind(kEnd);
  const auto end = found == absl::string_view::npos
                       ? std::nullopt
                       : Part(file, file.size() - tail + found, kEndBytes);
  if (!end.has_value()) {
    return UsageError(origin, ": is no zip archive, or one that is cut off: its directory is ",
                      "missing; expected what numpy.savez or numpy.savez_compressed writes");
  }
  const std::size_t at = file.size() - tail + found;
  Directory directory;
  directory.entries = Number(*end, 10, 2);
  std::uint64_t size = Number(*end, 12, 4);
  std::uint64_t start = Number(*end, 16, 4);
  bool parts = Number(*end, 4, 2) != 0 || Number(*end, 6, 2) != 0;
  if (directory.entries == kMost64 || size == kIn64 || start == kIn64) {
    const auto locator =
        at < kLocatorBytes ? std::nullopt : Part(file, at - kLocatorBytes, kLocatorBytes);
    const auto end64 = locator.has_value() && absl::StartsWith(*locator, kLocator64)
                           ? Part(file, Number(*locator, 8, 8), kEnd64Bytes)
                           : std::nullopt;
    if (!end64.has_value() || !absl::StartsWith(*end64, kEnd64)) {
      return UsageError(origin, ": is a damaged zip archive: its 64-bit directory is missing");
    }
    parts = Number(*end64, 16, 4) != 0 || Number(*end64, 20, 4) != 0;
    directory.entries = Number(*end64, 32, 8);
    size = Number(*end64, 40, 8);
    start = Number(*end64, 48, 8);
  }
  if (parts) return UsageError(origin, ": is one part of a zip archive in several");
  if (directory.entries > limits::kZipEntries) {
    return UsageError(origin, ": holds ", directory.entries, " arrays; at most ",
                      limits::kZipEntries, " are read");
  }
  const auto bytes = Part(file, start, size);
  if (!bytes.has_value()) {
    return UsageError(origin, ": is a damaged zip archive: its directory of ", size,
                      " bytes at byte ", start, " lies beyond its end at ", file.size());
  }
  directory.bytes = *bytes;
  return directory;
}

// Sizes and place of an entry, which stand among the extra fields where 32 bits do not hold them
// [4.5.3].
struct Place {
  std::uint64_t size = 0;
  std::uint64_t packed = 0;
  std::uint64_t start = 0;
};

bool ReadExtra(absl::string_view extra, Place& place) {
  constexpr std::uint64_t kZip64 = 1;
  while (extra.size() >= 4) {
    const std::uint64_t kind = Number(extra, 0, 2);
    const auto length = static_cast<std::size_t>(Number(extra, 2, 2));
    if (length > extra.size() - 4) return false;
    absl::string_view field = extra.substr(4, length);
    extra.remove_prefix(4 + length);
    if (kind != kZip64) continue;
    for (std::uint64_t* value : {&place.size, &place.packed, &place.start}) {
      if (*value != kIn64) continue;
      if (field.size() < 8) return false;
      *value = Number(field, 0, 8);
      field.remove_prefix(8);
    }
  }
  return true;
}

// Cuts the first entry off the directory.
absl::StatusOr<ZipEntry> TakeEntry(const std::string& origin, absl::string_view file,
                                   absl::string_view& directory) {
  const auto damaged = [&](const auto&... what) {
    return UsageError(origin, ": is a damaged zip archive: ", what...);
  };
  const auto head = Part(directory, 0, kDirectoryBytes);
  if (!head.has_value() || !absl::StartsWith(*head, kDirectory)) {
    return damaged("its directory has fewer entries than it says");
  }
  const std::uint64_t name = Number(*head, 28, 2);
  const std::uint64_t extra = Number(*head, 30, 2);
  const auto rest = Part(directory, kDirectoryBytes, name + extra + Number(*head, 32, 2));
  if (!rest.has_value()) return damaged("its directory ends within an entry");
  directory.remove_prefix(kDirectoryBytes + rest->size());
  ZipEntry entry;
  entry.name = std::string(rest->substr(0, static_cast<std::size_t>(name)));
  const std::string shown = VisibleStart(entry.name);
  Place place{Number(*head, 24, 4), Number(*head, 20, 4), Number(*head, 42, 4)};
  if (!ReadExtra(rest->substr(static_cast<std::size_t>(name), static_cast<std::size_t>(extra)),
                 place)) {
    return damaged("the sizes of '", shown, "' cannot be read");
  }
  const std::uint64_t method = Number(*head, 10, 2);
  if ((Number(*head, 8, 2) & 1) != 0) {
    return UsageError(origin, ": '", shown, "' is encrypted, which no .npz file is");
  }
  if (method != kStored && method != kDeflated) {
    return UsageError(origin, ": '", shown, "' is packed by method ", method,
                      "; numpy.savez (0) and numpy.savez_compressed (8) are known");
  }
  const auto local = Part(file, place.start, kLocalBytes);
  if (!local.has_value() || !absl::StartsWith(*local, kLocal)) {
    return damaged("'", shown, "' is not where its directory says");
  }
  const std::uint64_t skipped = kLocalBytes + Number(*local, 26, 2) + Number(*local, 28, 2);
  const auto packed = Part(file, place.start + skipped, place.packed);
  if (!packed.has_value()) {
    return damaged("'", shown, "' has ", place.packed, " bytes, which go beyond the file's end");
  }
  entry.deflated = method == kDeflated;
  entry.crc = static_cast<std::uint32_t>(Number(*head, 16, 4));
  entry.size = place.size;
  entry.packed = *packed;
  // So that nobody takes memory for what cannot come.
  const bool possible = entry.deflated ? entry.size <= (place.packed + kSpare) * kLargestRatio
                                       : entry.size == place.packed;
  if (!possible) {
    return damaged("'", shown, "' has ", place.packed, " bytes, and says that they unpack to ",
                   entry.size);
  }
  return entry;
}

// The length of what was unpacked; nothing where the data are damaged or come to another size.
bool Inflate(absl::string_view packed, std::string& out) {
  z_stream stream = {};
  constexpr int kRaw = -MAX_WBITS;  // without zlib's own header
  if (inflateInit2(&stream, kRaw) != Z_OK) return false;
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  std::size_t read = 0;
  std::size_t written = 0;
  char beyond = 0;  // takes a byte more than there should be
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t in = std::min(packed.size() - read, kMost);
    const bool full = written == out.size();
    const std::size_t room = full ? 1 : std::min(out.size() - written, kMost);
    // zlib does not write through the pointer, whose type it keeps for old compilers.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(full ? &beyond : out.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += room - stream.avail_out;
    if (written > out.size()) break;
  }
  inflateEnd(&stream);
  return state == Z_STREAM_END && written == out.size();
}

std::uint32_t Checksum(absl::string_view bytes) {
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  uLong sum = crc32(0, nullptr, 0);
  for (std::size_t at = 0; at < bytes.size(); at += kMost) {
    const absl::string_view part = bytes.substr(at, kMost);
    sum = crc32(sum, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(part.size()));
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

absl::StatusOr<std::vector<ZipEntry>> ReadZip(const std::string& origin, absl::string_view file) {
  ONNXQUANT_ASSIGN_OR_RETURN(Directory directory, FindDirectory(origin, file));
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    ONNXQUANT_ASSIGN_OR_RETURN(ZipEntry entry, TakeEntry(origin, file, directory.bytes));
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::string> Unpack(const std::string& origin, const ZipEntry& entry) {
  std::string bytes;
  if (entry.deflated) {
    bytes.resize(static_cast<std::size_t>(entry.size));
    if (!Inflate(entry.packed, bytes)) {
      return UsageError(origin, ": is damaged: '", VisibleStart(entry.name),
                        "' does not unpack to the ", entry.size, " bytes that it says");
    }
  } else {
    bytes = std::string(entry.packed);
  }
  if (Checksum(bytes) != entry.crc) {
    return UsageError(origin, ": is damaged: the checksum of '", VisibleStart(entry.name),
                      "' is not that of its content");
  }
  return bytes;
}

}  // namespace onnxquant
