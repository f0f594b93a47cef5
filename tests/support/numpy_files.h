// Files as NumPy writes them, and as nobody should.
#ifndef ONNXQUANT_TESTS_SUPPORT_NUMPY_FILES_H_
#define ONNXQUANT_TESTS_SUPPORT_NUMPY_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace onnxquant {

// A .npy file of format 1.0: descr "<f4", shape "(2, 3)".
std::string NpyFile(const std::string& descr, const std::string& shape, const std::string& data,
                    bool fortran = false);

// The same of floats or of 64-bit integers.
std::string NpyOfFloats(const std::string& shape, const std::vector<float>& values);
std::string NpyOfIntegers(const std::string& shape, const std::vector<std::int64_t>& values);

struct ZippedFile {
  std::string name;
  std::string content;
  bool deflated = false;
  // What the directory says instead of the truth.
  std::optional<std::uint64_t> size = {};
  std::optional<std::uint32_t> crc = {};
  std::uint16_t flags = 0;
  std::optional<std::uint16_t> method = {};
};

// A zip archive. `wide`: sizes and places stand in the directory's 64-bit fields.
std::string ZipFile(const std::vector<ZippedFile>& files, bool wide = false);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SUPPORT_NUMPY_FILES_H_
