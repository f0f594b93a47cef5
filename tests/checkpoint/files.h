// Small checkpoints for tests.
#ifndef ONNXQUANT_TESTS_CHECKPOINT_FILES_H_
#define ONNXQUANT_TESTS_CHECKPOINT_FILES_H_

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/as_bytes.h"

namespace onnxquant {

template <typename T>
std::string Raw(T value) {
  std::string raw(sizeof(T), '\0');
  std::memcpy(raw.data(), &value, sizeof(T));
  return raw;
}

inline std::string Raw(const std::vector<float>& values) {
  std::string raw(values.size() * sizeof(float), '\0');
  std::memcpy(raw.data(), values.data(), raw.size());
  return raw;
}

struct TensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// A safetensors file of float32.
inline std::string Safetensors(const std::vector<TensorToWrite>& tensors) {
  std::vector<std::string> entries;
  std::string data;
  for (const TensorToWrite& tensor : tensors) {
    const std::string raw = Raw(tensor.values);
    entries.push_back(absl::StrCat("\"", tensor.name, "\":{\"dtype\":\"F32\",\"shape\":[",
                                   absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[",
                                   data.size(), ",", data.size() + raw.size(), "]}"));
    data += raw;
  }
  const std::string header = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  return Raw(std::uint64_t{header.size()}) + header + data;
}

// A GGUF file with a field and one tensor, whose dims are as the file has them: innermost first.
inline std::string Gguf(const std::string& name, const std::vector<std::uint64_t>& dims,
                        std::uint32_t type, const std::string& data) {
  const auto text = [](const std::string& words) {
    return Raw(std::uint64_t{words.size()}) + words;
  };
  std::string file = "GGUF" + Raw(std::uint32_t{3}) + Raw(std::uint64_t{1}) + Raw(std::uint64_t{1});
  file += text("tokens") + Raw(std::uint32_t{9}) + Raw(std::uint32_t{8}) + Raw(std::uint64_t{2}) +
          text("a") + text("bc");
  file += text(name) + Raw(static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t dim : dims) file += Raw(dim);
  file += Raw(type) + Raw(std::uint64_t{0});
  while (file.size() % 32 != 0) file += '\0';
  return file + data;
}

inline std::string Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_CHECKPOINT_FILES_H_
