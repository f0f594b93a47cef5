#include "lib/rewrite/share_equal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/rewrite/transposes.h"

namespace onnxquant {
namespace {

using Bytes = absl::Span<const std::byte>;

constexpr std::uint64_t kWorthSharing = 64 << 10;
constexpr std::size_t kSample = 256;
constexpr std::uint64_t kChunk = 4 << 20;
// Of constants whose samples agree, so many that differ are remembered: time stays linear.
constexpr std::size_t kMostAlike = 4;

bool StoreSameParts(const FillJob& a, const FillJob& b) {
  return std::equal(a.targets.begin(), a.targets.end(), b.targets.begin(), b.targets.end(),
                    [](int x, int y) { return (x == kNotStored) == (y == kNotStored); });
}

bool SameDims(const FillJob& a, const FillJob& b) {
  return std::equal(a.source->dims().begin(), a.source->dims().end(), b.source->dims().begin(),
                    b.source->dims().end());
}

// Whether both have the same bytes where their sources are each other's transposes.
bool SamePartsOfTransposes(const FillJob& a, const FillJob& b) {
  return MayLieEitherWay(a) && MayLieEitherWay(b) && SameCodesOfTransposes(a.stored, b.stored);
}

// Whether both have the same bytes where their sources do, or are transposes.
bool SameParts(const FillJob& a, const FillJob& b) {
  return StoreSameParts(a, b) && a.type == b.type && a.repack == b.repack &&
         a.first_bytes == b.first_bytes && a.exponent == b.exponent && a.overflow == b.overflow &&
         a.limit == b.limit && a.source->data_type() == b.source->data_type() &&
         ((SameCodes(a.stored, b.stored) && SameDims(a, b)) || SamePartsOfTransposes(a, b));
}

// Whether readers of both take one set of codes.
bool Tied(const FillJob& a, const FillJob& b) {
  return (a.tie && b.tie) || a.stored.form == b.stored.form;
}

std::string SamplesOf(Bytes bytes) {
  std::string samples;
  for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - kSample}) {
    samples.append(reinterpret_cast<const char*>(bytes.data() + at), kSample);
  }
  return samples;
}

absl::StatusOr<bool> SameBytes(const Model& model, const FillJob& a, const FillJob& b) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Bytes first, model.Bytes(*a.source));
  ONNXQUANT_ASSIGN_OR_RETURN(const Bytes second, model.Bytes(*b.source));
  if (first.size() != second.size()) return false;
  if (first.data() == second.data()) return true;
  for (std::uint64_t offset = 0; offset < first.size(); offset += kChunk) {
    const std::uint64_t length = std::min<std::uint64_t>(kChunk, first.size() - offset);
    const bool same = std::memcmp(first.data() + offset, second.data() + offset, length) == 0;
    model.Release(*a.source, offset, length);
    model.Release(*b.source, offset, length);
    if (!same) return false;
  }
  return true;
}

absl::StatusOr<bool> SameNumbers(const Model& model, const FillJob& a, const FillJob& b) {
  return SameCodes(a.stored, b.stored) ? SameBytes(model, a, b) : AreTransposes(model, a, b);
}

// Under which equal constants are looked for. Smaller ones only where the source has them once.
std::string KeyOf(const FillJob& job, Bytes bytes) {
  if (bytes.size() < kWorthSharing) {
    return absl::StrCat("at ", reinterpret_cast<std::uintptr_t>(bytes.data()));
  }
  return MayLieEitherWay(job) ? SamplesEitherWay(job, bytes) : SamplesOf(bytes);
}

bool StaysInline(const FillJob& job, const Rewritten& result) {
  return std::any_of(job.targets.begin(), job.targets.end(), [&result](int target) {
    return target != kNotStored && result.keep_inline[static_cast<std::size_t>(target)];
  });
}

// Constants that are equal and not tied: two of Rewritten::jobs.
struct Untied {
  std::size_t first = 0;
  std::size_t second = 0;
};

// Codes stand once for each, in the dims of its reader; their scales and zero points stand once.
void ShareScales(const Untied& pair, Rewritten& result) {
  const FillJob& first = result.jobs[pair.first];
  FillJob& second = result.jobs[pair.second];
  if (first.choice != second.choice) return;
  for (std::size_t part = 1; part < second.targets.size(); ++part) {
    if (first.targets[part] == kNotStored) continue;
    result.same_as[static_cast<std::size_t>(second.targets[part])] = first.targets[part];
    second.targets[part] = kNotStored;
  }
}

}  // namespace

absl::Status ShareEqual(const Model& model, Rewritten& result) {
  result.same_as.assign(result.bytes.size(), -1);
  absl::flat_hash_map<std::string, std::vector<std::size_t>> by_samples;
  std::vector<FillJob> kept;
  std::vector<Untied> untied;
  for (FillJob& job : result.jobs) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Bytes bytes, model.Bytes(*job.source));
    FillJob* equal = nullptr;
    std::optional<std::size_t> apart;
    if (!bytes.empty() && !StaysInline(job, result)) {
      std::vector<std::size_t>& alike = by_samples[KeyOf(job, bytes)];
      model.Release(*job.source, 0, bytes.size());  // the system reads more around each sample
      for (const std::size_t other : alike) {
        if (!SameParts(kept[other], job)) continue;
        ONNXQUANT_ASSIGN_OR_RETURN(const bool same, SameNumbers(model, kept[other], job));
        if (same && !Tied(kept[other], job)) {
          if (!apart) apart = other;
          continue;
        }
        if (same) equal = &kept[other];
        if (same) break;
      }
      if (equal == nullptr && alike.size() < kMostAlike) alike.push_back(kept.size());
    }
    if (equal == nullptr) {
      if (apart) untied.push_back({*apart, kept.size()});
      kept.push_back(std::move(job));
      continue;
    }
    equal->choice = methods::Later(equal->choice, job.choice);
    for (std::size_t part = 0; part < job.targets.size(); ++part) {
      if (job.targets[part] == kNotStored) continue;
      result.same_as[static_cast<std::size_t>(job.targets[part])] = equal->targets[part];
    }
  }
  result.jobs = std::move(kept);
  for (const Untied& pair : untied) ShareScales(pair, result);
  return absl::OkStatus();
}

}  // namespace onnxquant
