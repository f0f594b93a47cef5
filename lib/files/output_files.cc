#include "lib/files/output_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "lib/base/error.h"
#include "lib/files/commit.h"
#include "lib/files/own_names.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

// A folder that was removed meanwhile is made again, and then locked; only so often.
constexpr int kAttempts = 8;

}  // namespace

OutputFiles::OutputFiles(OutputFiles&& other) noexcept
    : options_(std::move(other.options_)),
      made_folders_(std::move(other.made_folders_)),
      folders_(std::move(other.folders_)),
      unnamed_(std::move(other.unnamed_)),
      protected_(std::move(other.protected_)),
      stale_(std::move(other.stale_)),
      files_(std::move(other.files_)),
      locks_(std::move(other.locks_)),
      recovered_(std::move(other.recovered_)),
      committed_(std::exchange(other.committed_, true)) {}

OutputFiles::~OutputFiles() {
  files_.clear();
  locks_.clear();
  if (!committed_) RemoveMadeFolders();
}

absl::StatusOr<OutputFiles> OutputFiles::Create(const std::string& directory,
                                                const Options& options) {
  OutputFiles files(options);
  ONNXQUANT_RETURN_IF_ERROR(files.UseFolder(directory, options.option).status());
  return files;
}

absl::Status OutputFiles::MakeFolders(const std::string& directory, const char* option) {
  std::error_code error;
  std::vector<std::string> missing;
  for (fs::path path = fs::path(directory).lexically_normal();
       !path.empty() && !fs::exists(path, error); path = path.parent_path()) {
    if (!path.filename().empty()) missing.push_back(path.string());
  }
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    if (mkdir(folder->c_str(), 0777) == 0) {
      made_folders_.push_back(*folder);
    } else if (errno != EEXIST) {
      return SystemError(*folder, "creating the folder", errno, option);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> OutputFiles::UseFolder(const std::string& directory,
                                                   const char* option) {
  ONNXQUANT_RETURN_IF_ERROR(MakeFolders(directory, option));
  ONNXQUANT_ASSIGN_OR_RETURN(const FolderPtr folder, Folder::Open(directory, option));
  for (std::size_t i = 0; i < folders_.size(); ++i) {
    if (folders_[i]->key() == folder->key()) return i;
  }
  ONNXQUANT_RETURN_IF_ERROR(RecoverIfPending(folder, options_.waiting, recovered_));
  folders_.push_back(folder);
  unnamed_.push_back(StagedFile::CanBeUnnamed(*folder));
  return folders_.size() - 1;
}

void OutputFiles::Protect(const std::string& path) {
  protected_.push_back(path);
}

void OutputFiles::Leave(int file) {
  files_[static_cast<std::size_t>(file)].left = true;
}

void OutputFiles::RemoveOnCommit(const std::vector<std::string>& names) {
  stale_.insert(stale_.end(), names.begin(), names.end());
}

// Whether the set may have such a file.
absl::Status OutputFiles::CheckNew(std::size_t folder, const std::string& name,
                                   const TargetRules& rules) const {
  const FolderPtr& place = folders_[folder];
  ONNXQUANT_RETURN_IF_ERROR(CheckTarget(*place, name, rules, protected_).status());
  for (const File& file : files_) {
    if (file.folder == folder && file.name == name) {
      return WriteError(place->PathOf(name),
                        ": is written by this run itself; choose another file for ", rules.option);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> OutputFiles::AddTo(std::size_t folder, const std::string& name,
                                       const TargetRules& rules, std::uint64_t size) {
  ONNXQUANT_RETURN_IF_ERROR(CheckNew(folder, name, rules));
  const FolderPtr& place = folders_[folder];
  ONNXQUANT_ASSIGN_OR_RETURN(StagedFile staged,
                             StagedFile::Create(place, place->PathOf(name), !unnamed_[folder]));
  ONNXQUANT_RETURN_IF_ERROR(staged.Reserve(size));
  files_.push_back({folder, name, rules, std::move(staged)});
  return static_cast<int>(files_.size()) - 1;
}

absl::StatusOr<int> OutputFiles::Add(const std::string& name, std::uint64_t size) {
  return AddTo(0, name, {.force = options_.force, .option = options_.option}, size);
}

absl::StatusOr<int> OutputFiles::Adopt(const std::string& name, const FolderPtr& folder,
                                       const std::string& source) {
  const TargetRules rules{.force = options_.force, .option = options_.option};
  ONNXQUANT_RETURN_IF_ERROR(CheckNew(0, name, rules));
  ONNXQUANT_ASSIGN_OR_RETURN(StagedFile staged,
                             StagedFile::Adopt(folder, folders_[0]->PathOf(name), source));
  files_.push_back({0, name, rules, std::move(staged)});
  return static_cast<int>(files_.size()) - 1;
}

absl::StatusOr<int> OutputFiles::AddElsewhere(const Elsewhere& place, std::uint64_t size) {
  const fs::path path(place.path);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::size_t folder,
                             UseFolder(ParentFolder(place.path), place.option));
  const TargetRules rules{.force = options_.force, .update = place.update, .option = place.option};
  return AddTo(folder, path.filename().string(), rules, size);
}

absl::Status OutputFiles::WriteAt(int file, std::uint64_t offset,
                                  absl::Span<const std::byte> bytes) const {
  return files_[static_cast<std::size_t>(file)].staged.WriteAt(offset, bytes);
}

absl::Status OutputFiles::SyncFiles() const {
  for (const File& file : files_) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.waiting.cancelled));
    ONNXQUANT_RETURN_IF_ERROR(file.staged.Sync());
  }
  return CheckCancelled(options_.waiting.cancelled);  // a sync may take long
}

// A folder that another run had made, and has removed since, comes back: the files, which have no
// names, are still there.
absl::StatusOr<bool> OutputFiles::FoldersAreInPlace() {
  bool all = true;
  for (FolderPtr& folder : folders_) {
    if (folder->InPlace()) continue;
    std::error_code error;
    if (fs::exists(folder->path(), error)) {
      return WriteError(folder->path(),
                        ": is another folder than when the run began; nothing was written to it");
    }
    all = false;
    ONNXQUANT_RETURN_IF_ERROR(MakeFolders(folder->path(), folder->option()));
    ONNXQUANT_ASSIGN_OR_RETURN(folder, Folder::Open(folder->path(), folder->option()));
  }
  return all;
}

absl::Status OutputFiles::Lock() {
  if (!locks_.empty()) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(SyncFiles());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<FolderLock> locks,
                               LockAndRecover(folders_, options_.waiting, recovered_));
    ONNXQUANT_ASSIGN_OR_RETURN(const bool in_place, FoldersAreInPlace());
    if (!in_place) continue;
    locks_ = std::move(locks);
    return absl::OkStatus();
  }
  return WriteError(folders_.front()->path(), ": is removed again and again by another program");
}

// What stands there may have changed since Add().
absl::StatusOr<JournalEntry> OutputFiles::EntryOf(const File& file) const {
  const Folder& folder = *folders_[file.folder];
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState before, folder.Look(file.name));
  if (before.exists && !file.rules.force && !file.rules.update) {
    return WriteError(folder.PathOf(file.name),
                      ": appeared while the output was written, and was left alone");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState state,
                             CheckTarget(folder, file.name, file.rules, protected_));
  ONNXQUANT_RETURN_IF_ERROR(file.staged.KeepModeOf(state));
  JournalEntry entry;
  entry.action = state.exists ? JournalEntry::Action::kReplace : JournalEntry::Action::kPlace;
  entry.folder = file.folder;
  entry.name = file.name;
  entry.staged = NameOfOwn(OwnKind::kTemporary, MakeId());
  if (state.exists) entry.aside = NameOfOwn(OwnKind::kTemporary, MakeId());
  entry.old = state.identity;
  ONNXQUANT_ASSIGN_OR_RETURN(entry.made, file.staged.Identity());
  return entry;
}

absl::StatusOr<PendingSet> OutputFiles::MakeSet() const {
  PendingSet set;
  set.folders = folders_;
  set.journal.id = MakeId();
  for (const File& file : files_) {
    ONNXQUANT_ASSIGN_OR_RETURN(JournalEntry entry, EntryOf(file));
    set.journal.entries.push_back(std::move(entry));
  }
  for (const std::string& name : stale_) {
    const Folder& folder = *folders_.front();
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState state, folder.Look(name));
    const bool file = state.exists && (S_ISREG(state.mode) || S_ISLNK(state.mode));
    if (!file || !InputAt(folder.PathOf(name), protected_).empty()) continue;
    JournalEntry entry;
    entry.action = JournalEntry::Action::kRemove;
    entry.name = name;
    entry.aside = NameOfOwn(OwnKind::kTemporary, MakeId());
    entry.old = state.identity;
    set.journal.entries.push_back(std::move(entry));
  }
  return set;
}

absl::Status OutputFiles::Commit() {
  ONNXQUANT_RETURN_IF_ERROR(Lock());
  std::vector<File> written;
  for (File& file : files_) {
    if (!file.left) written.push_back(std::move(file));
  }
  files_ = std::move(written);
  ONNXQUANT_RETURN_IF_ERROR(SyncFiles());  // what was written under the lock
  ONNXQUANT_ASSIGN_OR_RETURN(const PendingSet set, MakeSet());
  for (const std::string& made : made_folders_) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FolderPtr above, Folder::Open(ParentFolder(made), "-o"));
    ONNXQUANT_RETURN_IF_ERROR(above->Sync());
  }
  for (std::size_t i = 0; i < files_.size(); ++i) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.waiting.cancelled));
    ONNXQUANT_RETURN_IF_ERROR(
        files_[i].staged.NameIt(folders_[files_[i].folder], set.journal.entries[i].staged));
  }
  // From here on what has these names is not always what was written under them.
  for (File& file : files_) file.staged.Release();
  absl::Status status = CommitSet(set);
  committed_ = status.ok();
  return status;
}

void OutputFiles::RemoveMadeFolders() {
  for (auto path = made_folders_.rbegin(); path != made_folders_.rend(); ++path) {
    // Another run may use it, too; while it has files without a name the folder looks empty.
    const absl::StatusOr<FolderPtr> folder = Folder::Open(*path, options_.option);
    if (!folder.ok() || FolderLock::TryAll({&*folder, 1}).empty()) continue;
    rmdir(path->c_str());
  }
}

}  // namespace onnxquant
