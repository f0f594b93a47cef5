#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/convert/plan_state.h"
#include "lib/files/recovery.h"
#include "lib/files/single_output.h"
#include "lib/files/target.h"
#include "lib/parts/data_files.h"
#include "lib/parts/done_note.h"
#include "lib/parts/finish.h"
#include "lib/parts/manifest.h"
#include "lib/parts/staging.h"
#include "lib/parts/write_part.h"
#include "onnxquant/manifest.h"

namespace onnxquant {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A manifest, and the plan that it describes, made again.
struct Opened {
  Manifest manifest;
  Plan plan;
  std::vector<DataFile> files;

  const PlanAccess::State& state() const { return PlanAccess::StateOf(plan); }
};

absl::StatusOr<Opened> Open(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(path));
  ONNXQUANT_ASSIGN_OR_RETURN(Plan plan, MakePlan(manifest.model, manifest.options));
  const PlanAccess::State& state = PlanAccess::StateOf(plan);
  ONNXQUANT_RETURN_IF_ERROR(CheckSamePlan(manifest, state));
  std::vector<DataFile> files = DataFilesOf(state.outputs);
  return Opened{std::move(manifest), std::move(plan), std::move(files)};
}

// What would be refused at the end is refused before the work.
absl::Status CheckTargets(const Opened& opened, absl::Span<const DataFile> files, bool force) {
  const absl::StatusOr<FolderPtr> folder = Folder::Open(opened.state().report.directory, "-o");
  if (!folder.ok()) return absl::OkStatus();  // it is to be made
  const TargetRules rules{.force = force};
  const std::vector<std::string>& inputs = opened.state().inputs;
  for (const DataFile& file : files) {
    const std::string& graph = opened.state().outputs[file.output].file_name;
    ONNXQUANT_RETURN_IF_ERROR(CheckTarget(**folder, graph, rules, inputs).status());
    ONNXQUANT_RETURN_IF_ERROR(CheckTarget(**folder, file.name, rules, inputs).status());
  }
  return absl::OkStatus();
}

// Nothing while it is not all done, or where something else is asked for beside it.
absl::StatusOr<std::optional<DoneFiles>> DoneBefore(const Opened& opened,
                                                    const PartOptions& options) {
  const absl::StatusOr<FolderPtr> folder = Folder::Open(opened.state().report.directory, "-o");
  if (!folder.ok() || !options.apply.texts.empty()) return std::nullopt;
  ONNXQUANT_ASSIGN_OR_RETURN(std::optional<DoneFiles> done,
                             DoneAlready(opened.manifest, **folder, options.apply.cancelled));
  if (done && options.apply.notice) {
    options.apply.notice(absl::StrCat(opened.manifest.path, ": all is done already: ", done->size(),
                                      " files in ", (*folder)->path(),
                                      " are as they were put in place"));
  }
  return done;
}

absl::StatusOr<PartReport> Apply(const Opened& opened, Part part, const PartOptions& options) {
  const Clock::time_point start = Clock::now();
  const PlanAccess::State& state = opened.state();
  std::vector<DataFile> wanted;
  for (const std::size_t i : FilesOfPart(opened.files, part)) wanted.push_back(opened.files[i]);
  PartReport report;
  report.staging =
      (std::filesystem::path(state.report.directory) / opened.manifest.staging).string();
  if (wanted.empty()) return report;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<DoneFiles> done, DoneBefore(opened, options));
  if (done) {
    for (const DataFile& file : wanted) {
      const auto found = done->find(file.name);
      if (found == done->end()) continue;
      report.files.push_back({file.name, file.bytes, found->second.sha256, true});
    }
    report.staging = state.report.directory;
    return report;
  }
  ONNXQUANT_RETURN_IF_ERROR(CheckTargets(opened, wanted, options.apply.force));
  ONNXQUANT_ASSIGN_OR_RETURN(const Staging staging,
                             Staging::Make(state.report.directory, opened.manifest.staging));
  std::vector<DataFile> left;
  std::vector<std::size_t> places;
  for (const DataFile& file : wanted) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        const DataFileState found,
        staging.Look({opened.manifest.id, file.name, file.bytes, options.verify},
                     options.apply.cancelled));
    PartFile row{file.name, file.bytes, "", found.record.has_value()};
    if (row.was_done) {
      row.sha256 = found.record->sha256;
    } else {
      places.push_back(report.files.size());
      left.push_back(file);
    }
    report.files.push_back(std::move(row));
  }
  const std::uint64_t read_before = state.model.bytes_read();
  std::vector<std::string> hashes;
  const PartJob job{&state, opened.manifest.id, part};
  ONNXQUANT_RETURN_IF_ERROR(WriteDataFiles(job, left, staging, options.apply, hashes));
  for (std::size_t i = 0; i < places.size(); ++i) {
    report.files[places[i]].sha256 = std::move(hashes[i]);
  }
  report.bytes_read = state.model.bytes_read() - read_before;
  report.seconds = SecondsSince(start);
  return report;
}

// What was put in place. A data file's hash is in its record, where that is still there.
absl::StatusOr<DoneFiles> PutInPlace(const Opened& opened, const Staging* staging,
                                     const std::atomic<bool>* cancelled) {
  ONNXQUANT_ASSIGN_OR_RETURN(const FolderPtr folder,
                             Folder::Open(opened.state().report.directory, "-o"));
  DoneFiles done;
  const auto add = [&](const std::string& name, const std::string& known) -> absl::Status {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder->Look(name));
    std::string hash = known;
    if (hash.empty()) {
      ONNXQUANT_ASSIGN_OR_RETURN(hash,
                                 Staging::HashOf(*folder, name, there.identity.size, cancelled));
    }
    done[name] = {there.identity.size, std::move(hash)};
    return absl::OkStatus();
  };
  for (const PlannedOutput& output : opened.state().outputs) {
    ONNXQUANT_RETURN_IF_ERROR(add(output.file_name, ""));
  }
  for (const DataFile& file : opened.files) {
    std::optional<Record> record;
    if (staging != nullptr) {
      ONNXQUANT_ASSIGN_OR_RETURN(record, staging->RecordOf(opened.manifest.id, file.name));
    }
    ONNXQUANT_RETURN_IF_ERROR(add(file.name, record ? record->sha256 : ""));
  }
  return done;
}

// Best effort, too: without the note the end can be told from another conversion's no more.
void NoteDone(const Opened& opened, const Staging* staging, const ApplyOptions& options) {
  const absl::StatusOr<DoneFiles> done = PutInPlace(opened, staging, options.cancelled);
  if (done.ok()) static_cast<void>(WriteDoneNote(opened.manifest, *done));
}

void Clear(const Opened& opened, const Staging& staging) {
  std::vector<std::string> names;
  for (const DataFile& file : opened.files) names.push_back(file.name);
  // Best effort: without the note a run that is killed on the way leaves files to remove.
  static_cast<void>(staging.MarkFinished(opened.manifest.id));
  staging.Clear(names);
}

// Where a run was killed while it put the files in place, that is settled before anything is looked
// at.
absl::Status SettleBefore(const Opened& opened, const ApplyOptions& options) {
  const absl::StatusOr<FolderPtr> folder = Folder::Open(opened.state().report.directory, "-o");
  if (!folder.ok()) return absl::OkStatus();
  Recovered recovered;
  return RecoverIfPending(*folder, {.cancelled = options.cancelled, .notice = options.notice},
                          recovered);
}

absl::StatusOr<Report> Finish(const Opened& opened, const PartOptions& options) {
  const Clock::time_point start = Clock::now();
  const PlanAccess::State& state = opened.state();
  ONNXQUANT_RETURN_IF_ERROR(SettleBefore(opened, options.apply));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<DoneFiles> done, DoneBefore(opened, options));
  if (done) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Staging> left,
                               Staging::Find(state.report.directory, opened.manifest.staging));
    if (left) Clear(opened, *left);  // the end was killed before it had
    Report report = FinishedReport(state, {}, 0, SecondsSince(start));
    report.policy_choice = opened.manifest.policy_choice;
    return report;
  }
  // Without data files there is nothing to stage.
  ONNXQUANT_ASSIGN_OR_RETURN(std::optional<Staging> staging,
                             Staging::Find(state.report.directory, opened.manifest.staging));
  if (!staging.has_value() && !opened.files.empty()) {
    ONNXQUANT_RETURN_IF_ERROR(CheckTargets(opened, opened.files, options.apply.force));
    ONNXQUANT_ASSIGN_OR_RETURN(staging,
                               Staging::Make(state.report.directory, opened.manifest.staging));
  }
  bool in_place = false;
  if (staging.has_value()) {
    ONNXQUANT_ASSIGN_OR_RETURN(in_place,
                               IsInPlace(opened.manifest, state, opened.files, *staging, options));
  }
  MadeByParts parts;
  parts.warnings.resize(state.outputs.size());
  WriteJob job = WriteJobOf(state);
  if (staging.has_value() && !opened.files.empty() && !in_place) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        parts, GatherParts(opened.manifest, state, opened.files, *staging, options));
    job.made = &parts.made;
  }
  const std::uint64_t read_before = state.model.bytes_read();
  std::vector<std::vector<std::string>> warnings;
  const auto finished = [&] {
    std::vector<std::vector<std::string>> all = parts.warnings;
    for (std::size_t i = 0; i < warnings.size(); ++i) {
      all[i].insert(all[i].end(), warnings[i].begin(), warnings[i].end());
    }
    Report report =
        FinishedReport(state, all, state.model.bytes_read() - read_before, SecondsSince(start));
    report.policy_choice = opened.manifest.policy_choice;
    return report;
  };
  if (in_place) {
    NoteDone(opened, &*staging, options.apply);
    Clear(opened, *staging);
    return finished();
  }
  const std::unique_ptr<FactorCache> factors = FactorsOf(state, options.apply);
  job.factors = factors.get();
  ApplyOptions apply = options.apply;
  apply.progress = nullptr;  // there is next to nothing to read
  ONNXQUANT_RETURN_IF_ERROR(WriteOutputs(job, apply, finished, warnings));
  NoteDone(opened, staging.has_value() ? &*staging : nullptr, options.apply);
  if (staging.has_value()) Clear(opened, *staging);
  return finished();
}

}  // namespace

absl::Status SaveManifest(const Plan& plan, const std::string& path, const SaveOptions& options) {
  const PlanAccess::State& state = PlanAccess::StateOf(plan);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ManifestText(state, path));
  constexpr char kOption[] = "--manifest";
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OpenOutput({.path = path,
                  .force = options.force,
                  .waiting = {.cancelled = options.cancelled, .notice = options.notice},
                  .option = kOption},
                 state.inputs, text.size()));
  ONNXQUANT_RETURN_IF_ERROR(files.WriteAt(0, 0, AsBytes(text)));
  return files.Commit();
}

absl::StatusOr<PartReport> ApplyPart(const std::string& manifest, Part part,
                                     const PartOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(CheckPart(part));
  ONNXQUANT_ASSIGN_OR_RETURN(const Opened opened, Open(manifest));
  return Apply(opened, part, options);
}

absl::StatusOr<Report> FinishManifest(const std::string& manifest, const PartOptions& options) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Opened opened, Open(manifest));
  return Finish(opened, options);
}

absl::StatusOr<Report> ApplyManifest(const std::string& manifest, const PartOptions& options) {
  const Clock::time_point start = Clock::now();
  ONNXQUANT_ASSIGN_OR_RETURN(const Opened opened, Open(manifest));
  PartOptions quiet = options;  // what is done already is said at the end, once
  quiet.apply.notice = nullptr;
  ONNXQUANT_ASSIGN_OR_RETURN(const PartReport part, Apply(opened, {1, 1}, quiet));
  ONNXQUANT_ASSIGN_OR_RETURN(Report report, Finish(opened, options));
  report.bytes_read += part.bytes_read;
  report.seconds = SecondsSince(start);
  return report;
}

}  // namespace onnxquant
