#include "lib/statistics/calibration_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
constexpr char kFormat[] = "onnxquant.calibration";
// Of files without gradients, which older programs read, and of those with them.
constexpr char kVersion[] = "1";
constexpr char kGradientVersion[] = "2";
constexpr char kMoments[] = "moments/";
constexpr char kCount[] = "count/";
constexpr char kGradients[] = "gradients/";       // of products
constexpr char kLookups[] = "lookup_gradients/";  // of lookups
constexpr char kSquares[] = "squares/";
constexpr char kGradientCount[] = "gradient_count/";
constexpr std::uint64_t kMetadataBytes = 2048;
constexpr std::uint64_t kAlignment = 8;
constexpr std::int64_t kLargestSize = std::int64_t{1} << 30;
constexpr char kRemedy[] = "; 'onnxquant calibrate MODEL' writes such files";

std::uint64_t SumBytes(std::int64_t size) {
  return static_cast<std::uint64_t>(size) * static_cast<std::uint64_t>(size) * sizeof(float);
}

std::uint64_t SquareBytes(std::int64_t outputs) {
  return static_cast<std::uint64_t>(outputs) * sizeof(float);
}

std::string SumsName(const GradientInfo& info) {
  return absl::StrCat(info.lookup ? kLookups : kGradients, info.output);
}

// Counts first, for they want the stricter alignment.
Json TensorsOf(absl::Span<const MomentsInfo> moments, absl::Span<const GradientInfo> gradients) {
  Json tensors = Json::object();
  std::uint64_t at = 0;
  for (const GradientInfo& info : gradients) {
    tensors[kGradientCount + info.output] = {{"dtype", "I64"},
                                             {"shape", Json::array()},
                                             {"data_offsets", {at, at + sizeof(std::int64_t)}}};
    at += sizeof(std::int64_t);
  }
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
  for (const GradientInfo& info : gradients) {
    tensors[SumsName(info)] = {{"dtype", "F32"},
                               {"shape", {info.inputs, info.inputs}},
                               {"data_offsets", {at, at + SumBytes(info.inputs)}}};
    at += SumBytes(info.inputs);
    tensors[kSquares + info.output] = {{"dtype", "F32"},
                                       {"shape", {info.outputs}},
                                       {"data_offsets", {at, at + SquareBytes(info.outputs)}}};
    at += SquareBytes(info.outputs);
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

std::vector<GradientInfo> InfosOf(absl::Span<const GradientMoments> gradients) {
  std::vector<GradientInfo> infos;
  for (const GradientMoments& one : gradients) {
    infos.push_back({one.output, one.lookup, one.inputs, one.outputs, one.count});
  }
  return infos;
}

absl::StatusOr<std::string> MakeHeader(const Statistics& statistics) {
  for (const Moments& one : statistics.moments) {
    if (ValidUtf8Prefix(one.value) != one.value.size()) {
      return InternalError("the name of the value '", one.value, "' is no UTF-8");
    }
  }
  for (const GradientMoments& one : statistics.gradients) {
    if (ValidUtf8Prefix(one.output) != one.output.size()) {
      return InternalError("the name of the value '", one.output, "' is no UTF-8");
    }
  }
  Json json = TensorsOf(InfosOf(statistics.moments), InfosOf(statistics.gradients));
  const std::uint64_t bytes = HeaderBytes(json.dump());
  Json metadata = statistics.metadata;
  metadata["format"] = kFormat;
  metadata["version"] = statistics.gradients.empty() ? kVersion : kGradientVersion;
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
  if (value("version") != kVersion && value("version") != kGradientVersion) {
    return UsageError(path, ": its version is '", VisibleStart(value("version"), 40),
                      "'; this program reads versions ", kVersion, " and ", kGradientVersion,
                      kRemedy);
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

absl::Status CheckVector(const std::string& path, const SafeTensor& tensor) {
  if (tensor.dtype == "F32" && tensor.shape.size() == 1 && tensor.shape[0] >= 1 &&
      tensor.shape[0] <= kLargestSize &&
      tensor.end - tensor.begin == SquareBytes(tensor.shape[0]) &&
      tensor.begin % alignof(float) == 0) {
    return absl::OkStatus();
  }
  return UsageError(path, ": tensor '", tensor.name, "' is ", Described(tensor),
                    "; expected F32 [N] of 4 N bytes at a multiple of 4", kRemedy);
}

bool IsOfGradients(absl::string_view name) {
  for (const char* prefix : {kGradients, kLookups, kSquares, kGradientCount}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return false;
}

}  // namespace

std::uint64_t CalibrationBytes(absl::Span<const MomentsInfo> moments,
                               absl::Span<const GradientInfo> gradients) {
  std::uint64_t bytes = sizeof(std::uint64_t) + HeaderBytes(TensorsOf(moments, gradients).dump());
  for (const MomentsInfo& info : moments) bytes += sizeof(std::int64_t) + SumBytes(info.size);
  for (const GradientInfo& info : gradients) {
    bytes += sizeof(std::int64_t) + SumBytes(info.inputs) + SquareBytes(info.outputs);
  }
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
  for (const GradientMoments& one : statistics.gradients) {
    counts.push_back(static_cast<std::int64_t>(one.count));
  }
  for (const Moments& one : statistics.moments) {
    counts.push_back(static_cast<std::int64_t>(one.count));
  }
  ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(counts)));
  for (const Moments& one : statistics.moments) {
    ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(one.sums)));
  }
  for (const GradientMoments& one : statistics.gradients) {
    ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(one.sums)));
    ONNXQUANT_RETURN_IF_ERROR(put(AsBytes(one.squares)));
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
  const bool gradients = header.metadata["version"] == kGradientVersion;
  if (gradients) ONNXQUANT_RETURN_IF_ERROR(file.AddGradients(header));
  for (const SafeTensor& tensor : header.tensors) {
    absl::string_view name = tensor.name;
    if (gradients && IsOfGradients(name)) continue;
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
  return MatrixAt(kMoments + entry.value, offsets_[found->second], entries_[found->second].size);
}

// Of a file with gradients: tensors that come in threes, by output.
absl::Status CalibrationFile::AddGradients(const SafetensorsHeader& header) {
  absl::flat_hash_map<absl::string_view, const SafeTensor*> tensors;
  for (const SafeTensor& tensor : header.tensors) tensors[tensor.name] = &tensor;
  std::size_t left = 0;  // tensors of gradients that nothing has asked for
  for (const SafeTensor& tensor : header.tensors) left += IsOfGradients(tensor.name) ? 1 : 0;
  for (const SafeTensor& tensor : header.tensors) {
    absl::string_view output = tensor.name;
    const bool lookup = absl::ConsumePrefix(&output, kLookups);
    if (!lookup && !absl::ConsumePrefix(&output, kGradients)) continue;
    ONNXQUANT_RETURN_IF_ERROR(CheckMatrix(path(), tensor));
    const auto count = tensors.find(absl::StrCat(kGradientCount, output));
    const auto squares = tensors.find(absl::StrCat(kSquares, output));
    if (count == tensors.end() || squares == tensors.end()) {
      return UsageError(path(), ": has a tensor '", tensor.name, "' but no '",
                        count == tensors.end() ? kGradientCount : kSquares, output, "'", kRemedy);
    }
    ONNXQUANT_RETURN_IF_ERROR(CheckVector(path(), *squares->second));
    GradientInfo info{std::string(output), lookup, tensor.shape[0], squares->second->shape[0], 0};
    ONNXQUANT_ASSIGN_OR_RETURN(info.count, ReadCount(path(), *count->second, file_.bytes()));
    if (!gradient_by_output_.emplace(info.output, gradients_.size()).second) {
      return UsageError(path(), ": has gradients of '", output,
                        "' twice, as of a product and of a ", "lookup", kRemedy);
    }
    gradients_.push_back(std::move(info));
    gradient_places_.push_back({tensor.name, tensor.begin, squares->second->begin});
    left -= 3;
  }
  if (left == 0) return absl::OkStatus();
  for (const SafeTensor& tensor : header.tensors) {
    absl::string_view output = tensor.name;
    if (!absl::ConsumePrefix(&output, kSquares) && !absl::ConsumePrefix(&output, kGradientCount)) {
      continue;
    }
    if (gradient_by_output_.contains(output)) continue;
    return UsageError(path(), ": has a tensor '", tensor.name, "' but no '", kGradients, output,
                      "'", kRemedy);
  }
  return InternalError(path(), ": tensors of gradients were miscounted");
}

const GradientInfo* CalibrationFile::FindGradient(absl::string_view output) const {
  const auto found = gradient_by_output_.find(output);
  return found == gradient_by_output_.end() ? nullptr : &gradients_[found->second];
}

absl::StatusOr<absl::Span<const float>> CalibrationFile::GradientSums(
    const GradientInfo& info) const {
  const auto found = gradient_by_output_.find(info.output);
  if (found == gradient_by_output_.end()) {
    return UsageError(path(), ": holds no gradients at '", info.output, "'");
  }
  const GradientPlace& place = gradient_places_[found->second];
  return MatrixAt(place.tensor, place.sums, gradients_[found->second].inputs);
}

absl::StatusOr<absl::Span<const float>> CalibrationFile::GradientSquares(
    const GradientInfo& info) const {
  const auto found = gradient_by_output_.find(info.output);
  if (found == gradient_by_output_.end()) {
    return UsageError(path(), ": holds no gradients at '", info.output, "'");
  }
  const absl::Span<const float> squares(
      reinterpret_cast<const float*>(file_.bytes().data() +
                                     gradient_places_[found->second].squares),
      static_cast<std::size_t>(gradients_[found->second].outputs));
  for (std::size_t i = 0; i < squares.size(); ++i) {
    if (std::isfinite(squares[i]) && squares[i] >= 0) continue;
    return UsageError(path(), ": tensor '", kSquares, info.output, "' has ", squares[i], " at [", i,
                      "]; expected a sum of squares, 0 or more: the file is damaged, or was not ",
                      "written by 'onnxquant calibrate'");
  }
  return squares;
}

void CalibrationFile::Release(const GradientInfo& info) const {
  const auto found = gradient_by_output_.find(info.output);
  if (found == gradient_by_output_.end()) return;
  file_.Release(gradient_places_[found->second].sums, SumBytes(gradients_[found->second].inputs));
}

absl::StatusOr<absl::Span<const float>> CalibrationFile::MatrixAt(const std::string& tensor,
                                                                  std::uint64_t offset,
                                                                  std::int64_t rows) const {
  const auto size = static_cast<std::size_t>(rows);
  const absl::Span<const float> sums(reinterpret_cast<const float*>(file_.bytes().data() + offset),
                                     size * size);
  const auto refuse = [&](std::size_t i, std::size_t j, const char* expected) {
    return UsageError(path(), ": tensor '", tensor, "' has ", sums[i * size + j], " at [", i, ", ",
                      j, "]; expected ", expected,
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
