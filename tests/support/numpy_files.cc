#include "tests/support/numpy_files.h"

#include <zlib.h>

#include <cstddef>

namespace onnxquant {
namespace {

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string Number(std::uint64_t number, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i));
  return bytes;
}

std::string Deflated(const std::string& content) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, static_cast<uLong>(content.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

std::string NpyFile(const std::string& descr, const std::string& shape, const std::string& data,
                    bool fortran) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) +
         std::string(1, '\0') + header + data;
}

std::string NpyOfFloats(const std::string& shape, const std::vector<float>& values) {
  return NpyFile("<f4", shape, Bytes(values));
}

std::string NpyOfIntegers(const std::string& shape, const std::vector<std::int64_t>& values) {
  return NpyFile("<i8", shape, Bytes(values));
}

std::string ZipFile(const std::vector<ZippedFile>& files, bool wide) {
  constexpr std::uint64_t kIn64 = 0xffffffff;
  std::string archive;
  std::string directory;
  for (const ZippedFile& file : files) {
    const std::string packed = file.deflated ? Deflated(file.content) : file.content;
    const std::uint64_t size = file.size.value_or(file.content.size());
    const std::uint64_t crc = file.crc.value_or(
        static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(file.content.data()),
                                         static_cast<uInt>(file.content.size()))));
    const std::uint64_t start = archive.size();
    const std::string common = Number(20, 2) + Number(file.flags, 2) +
                               Number(file.method.value_or(file.deflated ? 8 : 0), 2) +
                               Number(0, 4) + Number(crc, 4);
    archive += Number(0x04034b50, 4) + common + Number(packed.size(), 4) + Number(size, 4) +
               Number(file.name.size(), 2) + Number(0, 2) + file.name + packed;
    const std::string extra = wide ? Number(7, 2) + Number(1, 2) + "?" + Number(1, 2) +
                                         Number(24, 2) + Number(size, 8) +
                                         Number(packed.size(), 8) + Number(start, 8)
                                   : "";
    directory += Number(0x02014b50, 4) + Number(20, 2) + common +
                 Number(wide ? kIn64 : packed.size(), 4) + Number(wide ? kIn64 : size, 4) +
                 Number(file.name.size(), 2) + Number(extra.size(), 2) + Number(0, 2) +
                 Number(0, 2) + Number(0, 2) + Number(0, 4) + Number(wide ? kIn64 : start, 4) +
                 file.name + extra;
  }
  const std::uint64_t start = archive.size();
  archive += directory;
  if (wide) {
    const std::uint64_t end = archive.size();
    archive += Number(0x06064b50, 4) + Number(44, 8) + Number(45, 2) + Number(45, 2) +
               Number(0, 4) + Number(0, 4) + Number(files.size(), 8) + Number(files.size(), 8) +
               Number(directory.size(), 8) + Number(start, 8);
    archive += Number(0x07064b50, 4) + Number(0, 4) + Number(end, 8) + Number(1, 4);
  }
  return archive + Number(0x06054b50, 4) + Number(0, 4) + Number(wide ? 0xffff : files.size(), 2) +
         Number(wide ? 0xffff : files.size(), 2) + Number(wide ? kIn64 : directory.size(), 4) +
         Number(wide ? kIn64 : start, 4) + Number(0, 2);
}

}  // namespace onnxquant
