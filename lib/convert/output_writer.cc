#include "lib/convert/output_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/convert/model_image.h"
#include "lib/files/fault_guard.h"
#include "lib/files/output_files.h"
#include "lib/model/web_config.h"
#include "lib/rewrite/materialize.h"

namespace onnxquant {
namespace {

// One output's place in the files: external tensors go to the data files as they come, inline ones
// into the model, which is written last.
class OutputSink : public TensorSink {
 public:
  // `made`: the folder that holds the data files already; null where they are to be made.
  static absl::StatusOr<std::unique_ptr<OutputSink>> Open(const PlannedOutput& output,
                                                          const FolderPtr& made,
                                                          OutputFiles& files) {
    auto sink = std::unique_ptr<OutputSink>(new OutputSink(output, files));
    const Layout& layout = output.layout;
    for (std::size_t shard = 0; shard < layout.shard_bytes.size(); ++shard) {
      const std::string name = ShardFileName(output.file_name, static_cast<int>(shard));
      ONNXQUANT_ASSIGN_OR_RETURN(const int file, made == nullptr
                                                     ? files.Add(name, layout.shard_bytes[shard])
                                                     : files.Adopt(name, made, name));
      sink->shards_.push_back(file);
    }
    ONNXQUANT_ASSIGN_OR_RETURN(sink->file_, files.Add(output.file_name, output.model.size()));
    return sink;
  }

  absl::Status Write(int initializer, std::uint64_t offset,
                     absl::Span<const std::byte> bytes) override {
    if (bytes.empty()) return absl::OkStatus();
    const Placement& place = output_.layout.items[static_cast<std::size_t>(initializer)];
    if (place.external()) {
      absl::Status status = files_.WriteAt(shards_[static_cast<std::size_t>(place.shard)],
                                           place.offset + offset, bytes);
      // To the system, input that it cannot read is a bad address: who reads it learns why.
      if (!status.ok()) FaultGuard::Touch(bytes.data(), bytes.size());
      return status;
    }
    image_.Put(initializer, offset, bytes);
    return absl::OkStatus();
  }

  void Put(const InlinePayload& payload) {
    image_.Put(payload.initializer, 0, AsBytes(payload.bytes));
  }

  absl::Status WriteModel() { return files_.WriteAt(file_, 0, AsBytes(image_.bytes())); }

 private:
  OutputSink(const PlannedOutput& output, OutputFiles& files)
      : output_(output), files_(files), image_(output) {}

  const PlannedOutput& output_;
  OutputFiles& files_;
  ModelImage image_;
  std::vector<int> shards_;
  int file_ = -1;
};

// Data files of an earlier, larger output of the same name, which would be left without a reader.
std::vector<std::string> StaleShards(const std::string& directory, const PlannedOutput& output) {
  std::vector<std::string> stale;
  for (int shard = static_cast<int>(output.layout.shard_bytes.size());; ++shard) {
    const std::string name = ShardFileName(output.file_name, shard);
    std::error_code error;
    if (!std::filesystem::exists(std::filesystem::path(directory) / name, error)) return stale;
    stale.push_back(name);
  }
}

std::vector<std::string> FileNames(const std::string& directory,
                                   const std::vector<PlannedOutput>& outputs) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  for (const PlannedOutput& output : outputs) names.push_back(output.file_name);
  return names;
}

// The new text of config.json, which no other run can change now; nothing where it says already
// what it should.
absl::StatusOr<std::optional<std::string>> UpdatedConfig(const WriteJob& job) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadConfig(job.config));
  ONNXQUANT_ASSIGN_OR_RETURN(std::string updated,
                             UpdateWebConfig(text, job.config, job.config_entries,
                                             FileNames(job.directory, *job.outputs)));
  return updated == text ? std::nullopt : std::make_optional(std::move(updated));
}

absl::Status WriteConfig(const WriteJob& job, OutputFiles& files, int config) {
  const absl::StatusOr<std::optional<std::string>> text = UpdatedConfig(job);
  if (!text.ok()) {
    return MakeError(KindOf(text.status()), absl::StrCat(std::string(text.status().message()),
                                                         "; --no-config leaves the file alone"));
  }
  if (text->has_value()) return files.WriteAt(config, 0, AsBytes(**text));
  files.Leave(config);
  return absl::OkStatus();
}

void Notify(const ApplyOptions& options, const Recovered& recovered) {
  if (!options.notice) return;
  const auto say = [&options](const std::vector<std::string>& paths, const char* what) {
    if (paths.empty()) return;
    constexpr std::size_t kNamed = 10;
    const absl::Span<const std::string> named(paths.data(), std::min(kNamed, paths.size()));
    const std::string more =
        paths.size() > kNamed ? absl::StrCat(" and ", paths.size() - kNamed, " more") : "";
    options.notice(absl::StrCat(what, ": ", absl::StrJoin(named, ", "), more));
  };
  say(recovered.completed, "completed what an interrupted run had begun to put in place");
  say(recovered.restored, "took back what an interrupted run had begun to put in place");
}

}  // namespace

absl::Status WriteOutputs(const WriteJob& job, const ApplyOptions& options,
                          const std::function<Report()>& finish,
                          std::vector<std::vector<std::string>>& warnings) {
  const Waiting waiting{.cancelled = options.cancelled, .notice = options.notice};
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OutputFiles::Create(job.directory, {.force = options.force, .waiting = waiting}));
  Notify(options, files.recovered());
  for (const std::string& input : job.inputs) files.Protect(input);
  std::vector<std::unique_ptr<OutputSink>> sinks;
  std::vector<OutputToFill> fills;
  warnings.resize(job.outputs->size());
  for (std::size_t i = 0; i < job.outputs->size(); ++i) {
    const PlannedOutput& output = (*job.outputs)[i];
    ONNXQUANT_ASSIGN_OR_RETURN(
        std::unique_ptr<OutputSink> sink,
        OutputSink::Open(output, job.made == nullptr ? nullptr : job.made->folder, files));
    fills.push_back({&output.rewritten, sink.get(), &warnings[i]});
    if (job.made != nullptr) {
      fills.back().jobs = job.made->outputs[i].jobs;
      for (const InlinePayload& payload : job.made->outputs[i].payloads) sink->Put(payload);
    }
    sinks.push_back(std::move(sink));
  }
  // How long these will be is not known yet; that they can be written is.
  int config = -1;
  if (!job.config.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        config,
        files.AddElsewhere(
            {.path = job.config, .update = true, .option = "--no-config leaves it alone"}, 0));
  }
  std::vector<int> texts;
  for (const ReportText& text : options.texts) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        const int file, files.AddElsewhere({.path = text.path, .option = text.option.c_str()}, 0));
    texts.push_back(file);
  }
  FillOptions fill;
  fill.threads = options.threads;
  fill.memory = options.memory;
  fill.factors = job.factors;
  fill.cancelled = options.cancelled;
  fill.progress = options.progress;
  // Now all has been read: of files that were changed meanwhile nothing gets a name.
  ONNXQUANT_RETURN_IF_ERROR(IfUnchanged(*job.model, FillTensors(*job.model, fills, fill)));
  for (const auto& sink : sinks) ONNXQUANT_RETURN_IF_ERROR(sink->WriteModel());
  ONNXQUANT_RETURN_IF_ERROR(files.Lock());
  if (options.force) {
    for (const PlannedOutput& output : *job.outputs) {
      files.RemoveOnCommit(StaleShards(job.directory, output));
    }
  }
  if (!job.config.empty()) ONNXQUANT_RETURN_IF_ERROR(WriteConfig(job, files, config));
  if (!texts.empty()) {
    const Report report = finish();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ONNXQUANT_RETURN_IF_ERROR(files.WriteAt(texts[i], 0, AsBytes(options.texts[i].text(report))));
    }
  }
  return files.Commit();
}

}  // namespace onnxquant
