#include "lib/statistics/calibration_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"
#include "lib/statistics/safetensors_header.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
constexpr char kFormat[] = "onnxquant.calibration";
constexpr char kVersion[] = "1";
constexpr char kMoments[] = "moments/";
constexpr char kCount[] = "count/";
constexpr std::uint64_t kMetadataBytes = 2048;
constexpr std::uint64_t kAlignment = 8;
constexpr std::int64_t kLargestSize = std::int64_t{1} << 30;
constexpr char kRemedy[] = "; 'onnxquant calibrate MODEL' writes such files";

std::uint64_t SumBytes(std::int64_t size) {
  return static_cast<std::uint64_t>(size) * static_cast<std::uint64_t>(size) * sizeof(float);
}

// Counts first, for they want the stricter alignment.
Json TensorsOf(absl::Span<const MomentsInfo> moments) {
  Json tensors = Json::object();
  std::uint64_t at = 0;
  for (const MomentsInfo& info : moments) {
    tensors[kCount + info.value] = {{"dtype", "I64"},
                                    {"shape", Json::array()},
                                    {"data_offsets", {at, at + sizeof(std::int64_t)}}};
    at += sizeof(std::int64_t);
  }
  for (const MomentsInfo& info : moments) {
    tensors[kMoments + info.value] = {{"dtype", "F32"},
                                      {"shape", {info.size, info.size}},
                                      {"data_offsets", {at, at + SumBytes(info.size)}}};
    at += SumBytes(info.size);
  }
  return tensors;
}

// With room for metadata, whatever it says.
std::uint64_t HeaderBytes(const std::string& tensors) {
  return (tensors.size() + kMetadataBytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::vector<MomentsInfo> InfosOf(absl::Span<const Moments> moments) {
  std::vector<MomentsInfo> infos;
  for (const Moments& one : moments) infos.push_back({one.value, one.size, one.count});
  return infos;
}

absl::StatusOr<std::string> MakeHeader(const Statistics& statistics) {
  for (const Moments& one : statistics.moments) {
    if (ValidUtf8Prefix(one.value) != one.value.size()) {
      return InternalError("the name of the value '", one.value, "' is no UTF-8");
    }
  }
  Json json = TensorsOf(InfosOf(statistics.moments));
  const std::uint64_t bytes = HeaderBytes(json.dump());
  Json metadata = statistics.metadata;
  metadata["format"] = kFormat;
  metadata["version"] = kVersion;
  json["__metadata__"] = std::move(metadata);
  std::string header = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (header.size() > bytes) {
    return InternalError("the metadata of statistics has more than ", kMetadataBytes, " bytes");
  }
  header.resize(bytes, ' ');
  return header;
}

absl::Status CheckKind(const std::string& path,
                       const std::map<std::string, std::string>& metadata) {
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (value("format") != kFormat) {
    return UsageError(path, ": holds no statistics: its metadata says the format '",
                      VisibleStart(value("format"), 40), "'; expected '", kFormat, "'", kRemedy);
  }
  if (value("version") != kVersion) {
    return UsageError(path, ": its version is '", VisibleStart(value("version"), 40),
                      "'; this program reads version ", kVersion, kRemedy);
  }
  if (value("fingerprint").empty()) {
    return UsageError(path, ": does not say which model was observed (\"fingerprint\" of its ",
                      "metadata)", kRemedy);
  }
  return absl::OkStatus();
}

std::string Described(const SafeTensor& tensor) {
  return absl::StrCat(
      tensor.dtype, " [",
      absl::StrJoin(tensor.shape.begin(),
                    tensor.shape.begin() + std::min<std::ptrdiff_t>(4, std::ssize(tensor.shape)),
                    ", "),
      "] of ", tensor.end - tensor.begin, " bytes");
}

absl::StatusOr<std::uint64_t> ReadCount(const std::string& path, const SafeTensor& tensor,
                                        absl::Span<const std::byte> file) {
  std::int64_t count = 0;
  if (tensor.dtype != "I64" || !tensor.shape.empty() ||
      tensor.end - tensor.begin != sizeof(count)) {
    return UsageError(path, ": tensor '", tensor.name, "' is ", Described(tensor),
                      "; expected I64 [] of 8 bytes", kRemedy);
  }
  std::memcpy(&count, file.data() + tensor.begin, sizeof(count));
  if (count < 1) {
    return UsageError(path, ": tensor '", tensor.name, "' is ", count,
                      "; expected the number of rows that were summed, 1 or more", kRemedy);
  }
  return static_cast<std::uint64_t>(count);
}

absl::Status CheckMatrix(const std::string& path, const SafeTensor& tensor) {
  const bool square = tensor.dtype == "F32" && tensor.shape.size() == 2 &&
                      tensor.shape[0] == tensor.shape[1] && tensor.shape[0] >= 1 &&
                      tensor.shape[0] <= kLargestSize;
  if (!square || tensor.end - tensor.begin != SumBytes(tensor.shape[0])) {
    return UsageError(path, ": tensor '", tensor.name, "' is ", Described(tensor),
                      "; expected F32 [K, K] of 4 K K bytes", kRemedy);
  }
  if (tensor.begin % alignof(float) == 0) return absl::OkStatus();
  return UsageError(path, ": tensor '", tensor.name, "' begins at byte ", tensor.begin,
                    " of the file; expected a multiple of ", alignof(float),
                    ": pad the header with spaces");
}

}  // namespace

std::uint64_t CalibrationBytes(absl::Span<const MomentsInfo> moments) {
  std::uint64_t bytes = sizeof(std::uint64_t) + HeaderBytes(TensorsOf(moments).dump());
  for (const MomentsInfo& info : moments) bytes += sizeof(std::int64_t) + SumBytes(info.size);
  return bytes;
}

absl::Status WriteCalibration(
    const Statistics& statistics,
    const std::function<absl::Status(std::uint64_t, absl::Span<const std::byte>)>& write) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string header, MakeHeader(statistics));
  std::uint64_t at = 0;
  const auto put = [&](absl::Span<const std::byte> bytes) {
    const std::uint64_t offset = std::exchange(at, at + bytes.size());
    return write(offset, bytes);
  };
  const std::uint64_t length = header.size();
  ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(absl::Span<const std::uint64_t>(&length, 1))));
  ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(header)));
  std::vector<std::int64_t> counts;
  for (const Moments& one : statistics.moments) {
    counts.push_back(static_cast<std::int64_t>(one.count));
  }
  ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(counts)));
  for (const Moments& one : statistics.moments) {
    ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(one.sums)));
  }
  return absl::OkStatus();
}

absl::StatusOr<CalibrationFile> CalibrationFile::Open(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  CalibrationFile file(std::move(mapped));
  const absl::Span<const std::byte> bytes = file.file_.bytes();
  ONNXQUANT_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeader(path, bytes));
  ONNXQUANT_RETURN_IF_ERROR(CheckKind(path, header.metadata));
  absl::flat_hash_map<std::string, std::uint64_t> counts;
  for (const SafeTensor& tensor : header.tensors) {
    absl::string_view name = tensor.name;
    if (absl::ConsumePrefix(&name, kCount)) {
      ONNXQUANT_ASSIGN_OR_RETURN(counts[name], ReadCount(path, tensor, bytes));
    } else if (absl::ConsumePrefix(&name, kMoments)) {
      ONNXQUANT_RETURN_IF_ERROR(CheckMatrix(path, tensor));
      file.by_name_[name] = file.entries_.size();
      file.entries_.push_back({std::string(name), tensor.shape[0], 0});
      file.offsets_.push_back(tensor.begin);
    } else {
      return UsageError(path, ": has a tensor '", VisibleStart(tensor.name, 80), "'; expected '",
                        kMoments, "VALUE' and '", kCount, "VALUE' alone", kRemedy);
    }
  }
  for (MomentsInfo& entry : file.entries_) {
    const auto count = counts.find(entry.value);
    if (count == counts.end()) {
      return UsageError(path, ": has a tensor '", kMoments, entry.value, "' but no '", kCount,
                        entry.value, "'", kRemedy);
    }
    entry.count = count->second;
    counts.erase(count);
  }
  if (!counts.empty()) {
    return UsageError(path, ": has a tensor '", kCount, counts.begin()->first, "' but no '",
                      kMoments, counts.begin()->first, "'", kRemedy);
  }
  if (file.entries_.empty()) return UsageError(path, ": holds no value's statistics", kRemedy);
  file.metadata_ = std::move(header.metadata);
  ONNXQUANT_RETURN_IF_ERROR(file.CheckUnchanged());
  return file;
}

const MomentsInfo* CalibrationFile::Find(absl::string_view value) const {
  const auto found = by_name_.find(value);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

void CalibrationFile::Release(const MomentsInfo& entry) const {
  const auto found = by_name_.find(entry.value);
  if (found == by_name_.end()) return;
  const auto size = static_cast<std::uint64_t>(entries_[found->second].size);
  file_.Release(offsets_[found->second], size * size * sizeof(float));
}

absl::StatusOr<absl::Span<const float>> CalibrationFile::Sums(const MomentsInfo& entry) const {
  const auto found = by_name_.find(entry.value);
  if (found == by_name_.end()) {
    return UsageError(path(), ": holds no statistics of the value '", entry.value, "'");
  }
  const auto size = static_cast<std::size_t>(entries_[found->second].size);
  const absl::Span<const float> sums(
      reinterpret_cast<const float*>(file_.bytes().data() + offsets_[found->second]), size * size);
  const auto refuse = [&](std::size_t i, std::size_t j, const char* expected) {
    return UsageError(path(), ": tensor '", kMoments, entry.value, "' has ", sums[i * size + j],
                      " at [", i, ", ", j, "]; expected ", expected,
                      ": the file is damaged, or was not written by 'onnxquant calibrate'");
  };
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = i; j < size; ++j) {
      const float value = sums[i * size + j];
      if (!std::isfinite(value)) return refuse(i, j, "a finite number");
      if (value != sums[j * size + i]) return refuse(j, i, "what stands across the diagonal");
    }
    if (sums[i * size + i] < 0) return refuse(i, i, "a sum of squares, 0 or more");
  }
  return sums;
}

}  // namespace onnxquant
