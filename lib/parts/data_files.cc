#include "lib/parts/data_files.h"

#include <algorithm>
#include <set>

#include "lib/base/error.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

// The shards that a job's tensors lie in, the first tensor's first.
std::vector<int> ShardsOf(const PlannedOutput& output, const FillJob& job) {
  std::vector<int> shards;
  for (const int target : job.targets) {
    if (target < 0) continue;
    const Placement& place = output.layout.items[static_cast<std::size_t>(target)];
    if (!place.external()) continue;
    if (std::find(shards.begin(), shards.end(), place.shard) == shards.end()) {
      shards.push_back(place.shard);
    }
  }
  return shards;
}

std::uint64_t SourceBytes(const PlannedOutput& output, const std::vector<std::size_t>& jobs) {
  std::set<const onnx::TensorProto*> sources;
  for (const std::size_t job : jobs) sources.insert(output.rewritten.jobs[job].source);
  std::uint64_t bytes = 0;
  for (const onnx::TensorProto* source : sources) {
    bytes += PackedBytes(static_cast<ElementType>(source->data_type()),
                         {source->dims().data(), static_cast<std::size_t>(source->dims_size())})
                 .value_or(0);
  }
  return bytes;
}

std::uint64_t CostOf(const DataFile& file) {
  return file.bytes + file.source_bytes + 1;
}

}  // namespace

std::vector<DataFile> DataFilesOf(absl::Span<const PlannedOutput> outputs) {
  std::vector<DataFile> files;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const PlannedOutput& output = outputs[i];
    const std::size_t first = files.size();
    for (std::size_t shard = 0; shard < output.layout.shard_bytes.size(); ++shard) {
      DataFile file;
      file.output = i;
      file.shard = static_cast<int>(shard);
      file.name = ShardFileName(output.file_name, file.shard);
      file.bytes = output.layout.shard_bytes[shard];
      files.push_back(std::move(file));
    }
    for (std::size_t job = 0; job < output.rewritten.jobs.size(); ++job) {
      const std::vector<int> shards = ShardsOf(output, output.rewritten.jobs[job]);
      for (const int shard : shards) {
        files[first + static_cast<std::size_t>(shard)].jobs.push_back(job);
      }
      if (!shards.empty()) {
        files[first + static_cast<std::size_t>(shards.front())].owned.push_back(job);
      }
    }
    for (std::size_t at = first; at < files.size(); ++at) {
      files[at].source_bytes = SourceBytes(output, files[at].jobs);
    }
  }
  // By how far into its output a file stands: (2 shard + 1) / shards, without fractions.
  std::stable_sort(files.begin(), files.end(), [&](const DataFile& a, const DataFile& b) {
    const auto shards = [&](const DataFile& file) {
      return static_cast<std::uint64_t>(outputs[file.output].layout.shard_bytes.size());
    };
    const auto twice = [](const DataFile& file) {
      return 2 * static_cast<std::uint64_t>(file.shard) + 1;
    };
    return twice(a) * shards(b) < twice(b) * shards(a);
  });
  return files;
}

int NumberOfPart(absl::Span<const DataFile> files, std::size_t index, int of) {
  // Sums and one quotient of doubles, which are the same on every machine: all parts agree.
  double before = 0;
  double all = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto cost = static_cast<double>(CostOf(files[i]));
    if (i < index) before += cost;
    if (i == index) before += cost / 2;
    all += cost;
  }
  const int number = static_cast<int>(before / all * static_cast<double>(of));
  return std::min(number, of - 1) + 1;
}

std::vector<std::size_t> FilesOfPart(absl::Span<const DataFile> files, Part part) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (NumberOfPart(files, i, part.of) == part.number) indices.push_back(i);
  }
  return indices;
}

std::vector<std::size_t> JobsOfModelFile(const PlannedOutput& output) {
  std::vector<std::size_t> jobs;
  for (std::size_t job = 0; job < output.rewritten.jobs.size(); ++job) {
    if (ShardsOf(output, output.rewritten.jobs[job]).empty()) jobs.push_back(job);
  }
  return jobs;
}

std::vector<int> InlineTargets(const PlannedOutput& output, std::size_t job) {
  std::vector<int> targets;
  for (const int target : output.rewritten.jobs[job].targets) {
    if (target >= 0 && !output.layout.items[static_cast<std::size_t>(target)].external() &&
        output.rewritten.bytes[static_cast<std::size_t>(target)] > 0) {
      targets.push_back(target);
    }
  }
  return targets;
}

absl::Status CheckPart(Part part) {
  if (part.of >= 1 && part.number >= 1 && part.number <= part.of) return absl::OkStatus();
  return UsageError("--part: found ", part.number, "/", part.of,
                    "; expected a number from 1 to that of all parts, such as 3/8");
}

}  // namespace onnxquant
