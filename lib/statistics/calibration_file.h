// Statistics in a file: safetensors, which Python reads, too (docs/formats.md).
#ifndef ONNXQUANT_LIB_STATISTICS_CALIBRATION_FILE_H_
#define ONNXQUANT_LIB_STATISTICS_CALIBRATION_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/files/mapped_file.h"
#include "lib/statistics/safetensors_header.h"
#include "lib/statistics/statistics.h"

namespace onnxquant {

// What a file says of one value without its sums.
struct MomentsInfo {
  std::string value;
  std::int64_t size = 0;    // K
  std::uint64_t count = 0;  // rows summed, at least 1
};

// The same of gradients at an output (GradientMoments).
struct GradientInfo {
  std::string output;
  bool lookup = false;
  std::int64_t inputs = 0;   // K
  std::int64_t outputs = 0;  // N
  std::uint64_t count = 0;   // tokens summed, at least 1
};

// How large the file of such statistics is: known before anything is summed. Counts do not matter.
std::uint64_t CalibrationBytes(absl::Span<const MomentsInfo> moments,
                               absl::Span<const GradientInfo> gradients = {});

// Gives the file to `write(offset, bytes)` piece by piece. "format" and "version" are added to the
// metadata. Error (kInternal): metadata of more than 2 KB, names that are no UTF-8.
absl::Status WriteCalibration(
    const Statistics& statistics,
    const std::function<absl::Status(std::uint64_t, absl::Span<const std::byte>)>& write);

// A file of statistics, mapped: names, sizes and counts are read at once, sums when they are asked
// for.
class CalibrationFile {
 public:
  // Errors (kUsage, or kModel for a file that cannot be read) begin with the path: what is no
  // safetensors file, or none of ours; ranges that overlap, leave gaps or end beyond the file;
  // types, shapes and counts that statistics do not have.
  static absl::StatusOr<CalibrationFile> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // metadata()["fingerprint"]: of the model that was observed (fingerprint.h).
  const std::string& fingerprint() const { return metadata_.at("fingerprint"); }
  // In the order of the file.
  const std::vector<MomentsInfo>& entries() const { return entries_; }
  // Null for a value that was not observed.
  const MomentsInfo* Find(absl::string_view value) const;

  // Of the file: none of most.
  const std::vector<GradientInfo>& gradients() const { return gradients_; }
  // By the output of a product or a lookup; null where no gradients were summed.
  const GradientInfo* FindGradient(absl::string_view output) const;

  // The sums [K, K] of one of entries(), valid as long as this object. Errors (kUsage): NaN or
  // infinity, a matrix that is not symmetric, a negative diagonal. Thread-safe.
  absl::StatusOr<absl::Span<const float>> Sums(const MomentsInfo& entry) const;
  // Their pages need not stay in memory; they are read again when they are asked for again.
  void Release(const MomentsInfo& entry) const;

  // Σ |g|² x xᵀ [K, K], or Σ g gᵀ of a lookup, and Σ g² [N] of one of gradients(): as Sums().
  absl::StatusOr<absl::Span<const float>> GradientSums(const GradientInfo& info) const;
  absl::StatusOr<absl::Span<const float>> GradientSquares(const GradientInfo& info) const;
  void Release(const GradientInfo& info) const;

  // Error (kModel): the file was written to since it was opened. Whoever gives out what was made of
  // the sums asks this first.
  absl::Status CheckUnchanged() const { return file_.CheckUnchanged(); }

 private:
  absl::Status AddGradients(const SafetensorsHeader& header);
  absl::StatusOr<absl::Span<const float>> MatrixAt(const std::string& tensor, std::uint64_t offset,
                                                   std::int64_t size) const;

  explicit CalibrationFile(MappedFile file) : file_(std::move(file)) {}

  MappedFile file_;
  std::map<std::string, std::string> metadata_;
  std::vector<MomentsInfo> entries_;
  std::vector<std::uint64_t> offsets_;  // by entry, of its sums in the file
  absl::flat_hash_map<std::string, std::size_t> by_name_;
  struct GradientPlace {
    std::string tensor;  // the name of its sums
    std::uint64_t sums = 0;
    std::uint64_t squares = 0;
  };
  std::vector<GradientInfo> gradients_;
  std::vector<GradientPlace> gradient_places_;
  absl::flat_hash_map<std::string, std::size_t> gradient_by_output_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_CALIBRATION_FILE_H_
