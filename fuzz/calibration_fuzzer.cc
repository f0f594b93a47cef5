// Reads any file as statistics of a model; those that are read are made factors of, written and
// read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "fuzz/scratch_folder.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/factor_cache.h"
#include "lib/statistics/merge.h"

namespace onnxquant {
namespace {

using fuzz::Require;
using fuzz::RequireToldWell;

constexpr std::size_t kBytesOfAnEscape = 6;  // in JSON, at most
constexpr std::size_t kMuchMetadata = 1024;  // more may not fit beside what the writer adds

std::size_t MetadataBytes(const CalibrationFile& file) {
  std::size_t bytes = 0;
  for (const auto& [key, text] : file.metadata()) bytes += key.size() + text.size();
  return kBytesOfAnEscape * bytes;
}

void RequireTheSameAgain(const CalibrationFile& file, const Statistics& statistics) {
  std::vector<std::uint8_t> bytes(CalibrationBytes(file.entries(), file.gradients()));
  const absl::Status written =
      WriteCalibration(statistics, [&bytes](std::uint64_t at, absl::Span<const std::byte> piece) {
        Require(at + piece.size() <= bytes.size(), "no more bytes than were announced");
        for (std::size_t i = 0; i < piece.size(); ++i) {
          bytes[at + i] = static_cast<std::uint8_t>(piece[i]);
        }
        return absl::OkStatus();
      });
  Require(written.ok(), "what was read to be written: " + std::string(written.message()));
  const auto again =
      CalibrationFile::Open(fuzz::ScratchFile("again.safetensors", bytes.data(), bytes.size()));
  Require(again.ok(), "what was written to be read: " + std::string(again.status().message()));
  Require(again->entries().size() == file.entries().size(), "as many values");
  for (const MomentsInfo& entry : file.entries()) {
    const MomentsInfo* found = again->Find(entry.value);
    Require(found != nullptr && found->size == entry.size && found->count == entry.count,
            "the same values");
    Require(again->Sums(*found).value() == file.Sums(entry).value(), "the same sums");
  }
  Require(again->gradients().size() == file.gradients().size(), "as many gradients");
  for (const GradientInfo& info : file.gradients()) {
    const GradientInfo* found = again->FindGradient(info.output);
    Require(found != nullptr && found->lookup == info.lookup && found->inputs == info.inputs &&
                found->outputs == info.outputs && found->count == info.count,
            "the same gradients");
    Require(again->GradientSums(*found).value() == file.GradientSums(info).value() &&
                again->GradientSquares(*found).value() == file.GradientSquares(info).value(),
            "the same sums of gradients");
  }
}

// Those that can be read; whether all can.
bool AddGradients(const CalibrationFile& file, Statistics& statistics) {
  bool all = true;
  for (const GradientInfo& info : file.gradients()) {
    const auto sums = file.GradientSums(info);
    const auto squares = file.GradientSquares(info);
    RequireToldWell(sums.status());
    RequireToldWell(squares.status());
    all = all && sums.ok() && squares.ok();
    if (!sums.ok() || !squares.ok()) continue;
    statistics.gradients.push_back({info.output,
                                    info.lookup,
                                    info.inputs,
                                    info.outputs,
                                    info.count,
                                    {sums->begin(), sums->end()},
                                    {squares->begin(), squares->end()}});
  }
  return all;
}

void RequireSums(const std::string& path) {
  std::vector<CalibrationFile> files;
  for (int i = 0; i < 2; ++i) files.push_back(CalibrationFile::Open(path).value());
  const auto merged = MergeCalibrations(files);
  RequireToldWell(merged.status());
  if (!merged.ok()) return;
  for (const Moments& moments : merged->moments) {
    const MomentsInfo* found = files[0].Find(moments.value);
    Require(found != nullptr && moments.count == 2 * found->count, "counts to be added");
  }
}

void Run(const std::string& path) {
  const auto file = CalibrationFile::Open(path);
  RequireToldWell(file.status());
  if (!file.ok()) return;
  FactorCache factors(*file, 1 << 20);
  Statistics statistics;
  statistics.metadata = file->metadata();
  for (const MomentsInfo& entry : file->entries()) {
    methods::Choice choice{methods::Method::kGptq, entry.value};
    RequireToldWell(factors.Of(choice, entry.size).status());
    for (const GradientInfo& info : file->gradients()) {
      choice.gradient = info.output;
      RequireToldWell(factors.Of(choice, entry.size).status());
    }
    const auto sums = file->Sums(entry);
    RequireToldWell(sums.status());
    if (!sums.ok()) continue;
    statistics.moments.push_back(
        {entry.value, entry.size, entry.count, std::vector<float>(sums->begin(), sums->end())});
  }
  RequireSums(path);
  const bool all =
      AddGradients(*file, statistics) && statistics.moments.size() == file->entries().size();
  if (all && MetadataBytes(*file) <= kMuchMetadata) RequireTheSameAgain(*file, statistics);
}

}  // namespace
}  // namespace onnxquant

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  onnxquant::Run(onnxquant::fuzz::ScratchFile("calibration.safetensors", data, size));
  return 0;
}
