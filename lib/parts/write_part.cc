#include "lib/parts/write_part.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/tile_executor.h"
#include "lib/convert/model_image.h"
#include "lib/files/fault_guard.h"
#include "lib/rewrite/materialize.h"

namespace onnxquant {
namespace {

// Files at once, each with a descriptor.
constexpr std::size_t kFilesAtOnce = 256;

// One output's tensors: those of the group's files go there, those of the .onnx file into an image
// of it, from which records take them, and all others nowhere.
class GroupSink : public TensorSink {
 public:
  explicit GroupSink(const PlannedOutput& output) : output_(output), image_(output) {}

  void Take(int shard, const StagedFile* file) { files_[shard] = file; }
  const ModelImage& image() const { return image_; }

  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    if (bytes.empty()) return absl::OkStatus();
    const Placement& place = output_.layout.items[static_cast<std::size_t>(initializer)];
    if (!place.external()) {
      image_.Put(initializer, offset, bytes);
      return absl::OkStatus();
    }
    const auto file = files_.find(place.shard);
    if (file == files_.end()) return absl::OkStatus();
    absl::Status status = file->second->WriteAt(place.offset + offset, bytes);
    // To the system, input that it cannot read is a bad address: who reads it learns why.
    if (!status.ok()) FaultGuard::Touch(bytes.data(), bytes.size());
    return status;
  }

 private:
  const PlannedOutput& output_;
  ModelImage image_;
  std::map<int, const StagedFile*> files_;
};

class Group {
 public:
  Group(const PartJob& job, absl::Span<const DataFile> files, const Staging& staging)
      : job_(job), files_(files), staging_(staging) {}

  absl::Status Write(const FillOptions& fill, absl::Span<std::string> sha256) {
    const Model& model = job_.state->model;
    for (const DataFile& file : files_) {
      ONNXQUANT_ASSIGN_OR_RETURN(StagedFile staged, staging_.Begin(file.name, file.bytes));
      staged_.push_back(std::move(staged));
    }
    for (std::size_t i = 0; i < files_.size(); ++i) {
      auto& sink = sinks_[files_[i].output];
      if (sink == nullptr) {
        sink = std::make_unique<GroupSink>(job_.state->outputs[files_[i].output]);
      }
      sink->Take(files_[i].shard, &staged_[i]);
    }
    // Of files that were changed meanwhile nothing gets a name.
    ONNXQUANT_RETURN_IF_ERROR(IfUnchanged(model, FillTensors(model, Fills(), fill)));
    return RunTiles(files_.size(), fill.threads, fill.cancelled, [&](std::size_t i) {
      return staging_.Finish(staged_[i], RecordOf(i), sha256[i], fill.cancelled);
    });
  }

 private:
  // Jobs that a file owns warn into its record; what else its tensors need warns elsewhere.
  std::vector<OutputToFill> Fills() {
    warnings_.resize(files_.size());
    std::vector<OutputToFill> fills;
    std::map<std::size_t, std::set<std::size_t>> others;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      fills.push_back(FillOf(files_[i].output, &warnings_[i], files_[i].owned));
      others[files_[i].output].insert(files_[i].jobs.begin(), files_[i].jobs.end());
    }
    for (const DataFile& file : files_) {
      for (const std::size_t job : file.owned) others[file.output].erase(job);
    }
    for (const auto& [output, jobs] : others) {
      if (!jobs.empty()) fills.push_back(FillOf(output, nullptr, {jobs.begin(), jobs.end()}));
    }
    return fills;
  }

  OutputToFill FillOf(std::size_t output, std::vector<std::string>* warnings,
                      std::vector<std::size_t> jobs) {
    OutputToFill fill;
    fill.rewritten = &job_.state->outputs[output].rewritten;
    fill.sink = sinks_[output].get();
    fill.warnings = warnings;
    fill.jobs = std::move(jobs);
    return fill;
  }

  Record RecordOf(std::size_t i) const {
    const DataFile& file = files_[i];
    Record record;
    record.manifest = job_.manifest;
    record.file = file.name;
    record.bytes = file.bytes;
    record.part = job_.part;
    record.warnings = warnings_[i];
    const PlannedOutput& output = job_.state->outputs[file.output];
    for (const std::size_t job : file.owned) {
      for (const int target : InlineTargets(output, job)) {
        const absl::Span<const std::byte> bytes = sinks_.at(file.output)->image().PayloadOf(target);
        record.payloads.push_back(
            {target, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
      }
    }
    return record;
  }

  const PartJob& job_;
  const absl::Span<const DataFile> files_;
  const Staging& staging_;
  std::vector<StagedFile> staged_;
  std::map<std::size_t, std::unique_ptr<GroupSink>> sinks_;  // by output
  std::vector<std::vector<std::string>> warnings_;           // by file
};

std::size_t LengthOfGroup(absl::Span<const DataFile> files, std::uint64_t bytes_at_once) {
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const DataFile& file : files) {
    bytes += file.bytes;
    if (count > 0 && (bytes > bytes_at_once || count == kFilesAtOnce)) break;
    ++count;
  }
  return count;
}

}  // namespace

absl::Status WriteDataFiles(const PartJob& job, absl::Span<const DataFile> files,
                            const Staging& staging, const ApplyOptions& options,
                            std::vector<std::string>& sha256, std::uint64_t bytes_at_once) {
  sha256.resize(files.size());
  const std::unique_ptr<FactorCache> factors = FactorsOf(*job.state, options);
  FillOptions fill;
  fill.threads = options.threads;
  fill.memory = options.memory;
  fill.factors = factors.get();
  fill.cancelled = options.cancelled;
  // Of all groups together; in units of what the files' constants have, which is more than is read
  // where several files have parts of one.
  std::uint64_t all = 0;
  for (const DataFile& file : files) all += file.source_bytes;
  std::uint64_t before = 0;
  for (std::size_t at = 0; at < files.size();) {
    const std::size_t count = LengthOfGroup(files.subspan(at), bytes_at_once);
    const absl::Span<const DataFile> some = files.subspan(at, count);
    std::uint64_t own = 0;
    for (const DataFile& file : some) own += file.source_bytes;
    if (options.progress) {
      fill.progress = [&](std::uint64_t done, std::uint64_t total) {
        const double share =
            total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
        const auto part = static_cast<std::uint64_t>(share * static_cast<double>(own));
        options.progress(before + std::min(part, own), all);
      };
    }
    Group group(job, some, staging);
    ONNXQUANT_RETURN_IF_ERROR(group.Write(fill, absl::MakeSpan(sha256).subspan(at, count)));
    before += own;
    at += count;
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
