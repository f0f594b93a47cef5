#include "lib/statistics/merge.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

std::string Of(const CalibrationFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string() : found->second;
}

absl::Status CheckFit(const CalibrationFile& a, const CalibrationFile& b) {
  if (a.fingerprint() != b.fingerprint()) {
    return UsageError(a.path(), " and ", b.path(),
                      ": statistics of different models (fingerprints ", a.fingerprint(), " and ",
                      b.fingerprint(), ") cannot be added; calibrate one model twice instead");
  }
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const MomentsInfo& entry : one->entries()) {
      const MomentsInfo* found = other->Find(entry.value);
      if (found != nullptr && found->size == entry.size) continue;
      return UsageError(
          one->path(), " and ", other->path(), ": the first has the value '", entry.value, "' of ",
          entry.size, " elements, the second ",
          found == nullptr ? std::string("has not") : absl::StrCat("one of ", found->size),
          "; files to add hold the same values");
    }
  }
  return absl::OkStatus();
}

// The seeds of what the model wrote itself.
std::vector<std::string> DrawsOf(const CalibrationFile& file) {
  if (Of(file, "text") != "self") return {};
  return absl::StrSplit(Of(file, "seed"), ", ");
}

std::uint64_t Number(const std::string& text) {
  std::uint64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

// "several" of different kinds.
std::string Joined(const std::string& a, const std::string& b) {
  return a == b ? a : "several";
}

absl::Status AddSums(const CalibrationFile& file, Moments& into) {
  const MomentsInfo& entry = *file.Find(into.value);
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const float> sums, file.Sums(entry));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    into.sums[i] += sums[i];
    if (std::isfinite(into.sums[i])) continue;
    return UsageError(file.path(), ": the sums of the value '", into.value,
                      "' and those before add up to more than float32 holds");
  }
  into.count += entry.count;
  return absl::OkStatus();
}

// `from` to what was added before, which stays finite.
absl::Status AddTo(const CalibrationFile& file, const std::string& output,
                   absl::Span<const float> from, std::vector<float>& sums) {
  sums.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    sums[i] += from[i];
    if (std::isfinite(sums[i])) continue;
    return UsageError(file.path(), ": the sums of the gradients at '", output,
                      "' and those before add up to more than float32 holds");
  }
  return absl::OkStatus();
}

absl::StatusOr<GradientMoments> AddGradients(absl::Span<const CalibrationFile> files,
                                             const GradientInfo& info) {
  GradientMoments sum{info.output, info.lookup, info.inputs, info.outputs, 0, {}, {}};
  for (const CalibrationFile& file : files) {
    const GradientInfo& entry = *file.FindGradient(info.output);
    ONNXQUANT_ASSIGN_OR_RETURN(const auto sums, file.GradientSums(entry));
    ONNXQUANT_RETURN_IF_ERROR(AddTo(file, info.output, sums, sum.sums));
    ONNXQUANT_ASSIGN_OR_RETURN(const auto squares, file.GradientSquares(entry));
    ONNXQUANT_RETURN_IF_ERROR(AddTo(file, info.output, squares, sum.squares));
    sum.count += entry.count;
  }
  return sum;
}

// Sums of some of the tokens would count as those of all.
absl::Status CheckGradientsFit(const CalibrationFile& a, const CalibrationFile& b) {
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const GradientInfo& info : one->gradients()) {
      const GradientInfo* found = other->FindGradient(info.output);
      if (found != nullptr && found->lookup == info.lookup && found->inputs == info.inputs &&
          found->outputs == info.outputs) {
        continue;
      }
      return UsageError(one->path(), " and ", other->path(), ": the first has gradients at '",
                        info.output, "', the second ", found == nullptr ? "has not" : "has others",
                        "; files to add all have gradients, or none has");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Statistics> MergeCalibrations(absl::Span<const CalibrationFile> files) {
  const CalibrationFile& first = files.front();
  Statistics merged{first.metadata(), {}, {}};
  absl::flat_hash_set<std::string> draws;
  for (const CalibrationFile& file : files) {
    ONNXQUANT_RETURN_IF_ERROR(CheckFit(first, file));
    ONNXQUANT_RETURN_IF_ERROR(CheckGradientsFit(first, file));
    for (const std::string& draw : DrawsOf(file)) {
      if (draws.insert(draw).second) continue;
      return UsageError(file.path(), ": holds statistics of the text of seed ", draw,
                        ", as a file before it does: adding them would count it twice; give the "
                        "runs different seeds (--seed)");
    }
    if (&file == &first) continue;
    for (const char* key : {"tokens", "sequences"}) {
      merged.metadata[key] = absl::StrCat(Number(merged.metadata[key]) + Number(Of(file, key)));
    }
    if (!Of(file, "gradient_sequences").empty()) {
      std::string& count = merged.metadata["gradient_sequences"];
      count = absl::StrCat(Number(count) + Number(Of(file, "gradient_sequences")));
    }
    merged.metadata["text"] = Joined(merged.metadata["text"], Of(file, "text"));
    if (!Of(file, "seed").empty()) {
      std::string& seeds = merged.metadata["seed"];
      absl::StrAppend(&seeds, seeds.empty() ? "" : ", ", Of(file, "seed"));
    }
  }
  for (const MomentsInfo& entry : first.entries()) {
    const auto size = static_cast<std::size_t>(entry.size);
    Moments moments{entry.value, entry.size, 0, std::vector<float>(size * size)};
    for (const CalibrationFile& file : files) {
      ONNXQUANT_RETURN_IF_ERROR(AddSums(file, moments));
    }
    merged.moments.push_back(std::move(moments));
  }
  for (const GradientInfo& info : first.gradients()) {
    ONNXQUANT_ASSIGN_OR_RETURN(GradientMoments gradient, AddGradients(files, info));
    merged.gradients.push_back(std::move(gradient));
  }
  for (const CalibrationFile& file : files) ONNXQUANT_RETURN_IF_ERROR(file.CheckUnchanged());
  return merged;
}

}  // namespace onnxquant
